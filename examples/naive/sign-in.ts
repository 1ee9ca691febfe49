// In src/, because the published demo runs it and examples/ is not published.
export { naiveSignIn } from '../../src/cli/demo/naive/sign-in.js'

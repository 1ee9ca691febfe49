// In src/, because the published demo runs it and examples/ is not published.
export { naiveCredit, naiveWithdraw } from '../../src/cli/demo/naive/wallet.js'

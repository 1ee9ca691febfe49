// In src/, because the published demo runs it and examples/ is not published.
export { naiveSetCount, naiveIncrementCount, naiveDecrementCount } from '../../src/cli/demo/naive/counter.js'

// In src/, because the published demo runs it and examples/ is not published.
export { naiveTransfer } from '../../src/cli/demo/naive/transfer.js'

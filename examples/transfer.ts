// In src/, because the published demo runs it and examples/ is not published.
export { transfer, type Transfer } from '../src/cli/demo/transfer.js'

// In src/, because the published demo runs it and examples/ is not published.
export { naivePlaceOrder } from '../../src/cli/demo/naive/order.js'

export const ok = ({ index }) => index
export const chatty = ({ index }) => {
  console.log('not JSON')
  return { big: 2n ** 70n, at: new Map([[1, index]]) }
}
export const refuse = ({ index, input }) => {
  if (index >= input.seats) throw Object.assign(new Error('Sold out\u001B[31m.'), { code: 'SOLD_OUT' })
  return 'seat'
}
export const hang = () => new Promise(() => globalThis.setInterval(() => undefined, 60_000))
export const number = 42

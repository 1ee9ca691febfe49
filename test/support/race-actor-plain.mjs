export const addInput = ({ input, index }) => input.base + index

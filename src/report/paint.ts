import { styleText } from 'node:util'

/** Coloured text, where colours are wanted; who prints it knows whether the terminal has any. */
export function paint(color: boolean, format: Parameters<typeof styleText>[0], text: string): string {
  return color ? styleText(format, text, { validateStream: false }) : text
}

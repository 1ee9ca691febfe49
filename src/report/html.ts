/** Text that is markup already. Made by {@link html} alone, and by {@link trusted} for what is written here. */
export class Markup {
  constructor(readonly text: string) {}
}

export type HtmlValue = string | number | Markup | undefined | readonly HtmlValue[]

/**
 * A template whose values are escaped unless they are markup themselves, for text and for quoted attributes.
 * A templating library would bring components and hydration into every user's tests for a page that is
 * written once and never changes.
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup {
  return new Markup(strings.map((string, index) => string + toHtml(values[index])).join(''))
}

/** For the page's own style and script; never for anything that comes from a run. */
export const trusted = (text: string): Markup => new Markup(text)

function toHtml(value: HtmlValue): string {
  if (value === undefined) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'object') return value.map(toHtml).join('')
  return escapeHtml(String(value))
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Control characters and those that turn the direction of the text would show something else than is there. */
const INVISIBLE = /[^\P{Cc}\n\t]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

function escapeHtml(text: string): string {
  return text
    .replace(INVISIBLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}

import fc from 'fast-check'
import { type DefaultTreeAdapterTypes, parse } from 'parse5'

type Node = DefaultTreeAdapterTypes.Node

interface Element {
  readonly tag: string
  readonly attributes: readonly { readonly name: string; readonly value: string }[]
  /** The ids of the elements that it is in, and its own. */
  readonly path: readonly string[]
}

/** The elements of a page, in order, and its comments. */
export function elementsOf(page: string): Element[] {
  const found: Element[] = []
  const visit = (node: Node, above: readonly string[]) => {
    let path = above
    if ('tagName' in node) {
      const id = node.attrs.find(({ name }) => name === 'id')?.value
      path = id === undefined ? above : [...above, id]
      found.push({ tag: node.tagName, attributes: node.attrs, path })
    }
    if (node.nodeName === '#comment') found.push({ tag: 'a comment', attributes: [], path })
    if ('childNodes' in node) for (const child of node.childNodes) visit(child, path)
  }
  visit(parse(page), [])
  return found
}

/** What a reader sees of a page. */
export function textOf(node: Node): string {
  if ('value' in node) return node.value
  if (!('childNodes' in node) || /^(?:script|style)$/.test(node.nodeName)) return ''
  return node.childNodes.map(textOf).join('')
}

/** The elements with the names of their attributes, in order, and the values of those that a browser acts on. */
export const skeletonOf = (page: string): string[] =>
  elementsOf(page).map(
    ({ tag, attributes }) => `${tag} ${attributes.map(({ name, value }) => (ACTED_ON.test(name) ? `${name}=${value}` : name)).join(' ')}`,
  )

const ACTED_ON = /^(?:id|class|type|src|href|style|content|http-equiv)$/

/** Text that would be markup if it were not escaped, in every context that HTML has. */
export const hostileText = fc.oneof(
  fc.constantFrom(
    ...[
      '<script>alert(1)</script>',
      '</script><script>alert(1)</script>',
      '</style><img src=x onerror=alert(1)>',
      '</pre><b>',
      '</li></ol>',
    ],
    ...[
      '" onfocus=alert(1) x="',
      "' onfocus=alert(1) '",
      '<!--',
      '--!>',
      '<![CDATA[',
      ']]>',
      '<svg/onload=alert(1)>',
      '<base href=//evil>',
    ],
    ...[
      '&lt;b&gt;',
      '&#60;b&#62;',
      '\u2028',
      '</title><h1>',
      '`<b>`',
      '<plaintext>',
      '<template>',
      '<table><td>',
      'javascript:alert(1)',
      '\0<b>',
    ],
  ),
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom('<', '>', '"', "'", '&', '/', '=', '`', '!', '-', 'a', ' '), { maxLength: 12 }).map((parts) => parts.join('')),
)

/**
 * Asks for the page again and again, and changes only what has changed: what is unfolded, focused or selected stays so.
 * All markup comes from the server, where everything that is not its own is escaped.
 */
export const SCRIPT = `
const PATIENCE = 5000
const RETRY = 1000
const view = document.getElementById('view')
const lost = document.getElementById('lost')
let timer
let asking = false

function localTimes(root) {
  for (const time of root.querySelectorAll('time')) {
    const date = new Date(time.dateTime)
    const today = date.toDateString() === new Date().toDateString()
    time.textContent = today ? date.toLocaleTimeString() : date.toLocaleString()
  }
}

function update(from, to) {
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value)
  for (const { name } of [...from.attributes]) {
    // Whether details are unfolded is the reader's business.
    if (!to.hasAttribute(name) && name !== 'open') from.removeAttribute(name)
  }
  updateChildren(from, [...to.childNodes])
}

function updateChildren(from, wanted) {
  const ids = new Set(wanted.map(({ id }) => id))
  // What has gone goes first: moving what stays, because of it, would lose its focus.
  for (const child of [...from.children]) if (child.id && !ids.has(child.id)) child.remove()
  let at = from.firstChild
  for (const to of wanted) {
    const same = to.id ? [...from.children].find(({ id }) => id === to.id) : alike(at, to) ? at : undefined
    const node = same ?? document.importNode(to, true)
    if (node === at) at = at.nextSibling
    else from.insertBefore(node, at)
    if (!same) continue
    if (node.nodeType === Node.ELEMENT_NODE) update(node, to)
    else if (node.data !== to.data) node.data = to.data
  }
  while (at) {
    const next = at.nextSibling
    at.remove()
    at = next
  }
}

const alike = (node, to) => node && !node.id && node.nodeName === to.nodeName

async function refresh() {
  if (asking) return
  asking = true
  clearTimeout(timer)
  try {
    const response = await fetch(location.pathname, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) })
    const next = new DOMParser().parseFromString(await response.text(), 'text/html')
    const nextView = next.getElementById('view')
    // Something else may answer on a port that was left.
    if (!response.ok || !nextView) throw new Error('not the page')
    localTimes(nextView)
    update(view, nextView)
    setLost(false)
    document.title = next.title
  } catch {
    setLost(true)
  }
  asking = false
  timer = setTimeout(refresh, lost.hidden ? Number(view.dataset.next) : RETRY)
}

function setLost(isLost) {
  if (isLost && lost.hidden) {
    document.getElementById('lost-since').textContent = view.querySelector('.read time')?.textContent ?? 'before'
    document.title = '⚠ not live · rowlock locks'
  }
  lost.hidden = !isLost
  document.body.classList.toggle('stale', isLost)
}

localTimes(document)
timer = setTimeout(refresh, Number(view.dataset.next))
// A browser slows the timers of a tab that nobody looks at.
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh() })
`

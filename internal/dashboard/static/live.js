// Keeps a page fresh: when the server says that something changed which the page shows, the page is read again and
// what differs is put in its place. Without this script every page works by reloading it.
(() => {
  'use strict'
  const topics = new Set((document.body.dataset.topics || '').split(' ').filter(Boolean))
  const live = document.getElementById('live')
  const root = new URL('..', document.currentScript.src).pathname // below which everything is served
  let stream = null, reading = false, again = false, lost = false, failed = 0, said = document.getElementById('main').dataset.summary

  // Whoever types or has opened something must not lose it.
  const busy = el => el.contains(document.activeElement) && document.activeElement.matches('input:not([type=hidden]), select, textarea')

  const key = el => el.nodeType === 1 && (el.id || el.dataset.id) || ''

  // merge makes old like fresh, leaving alone what is the same.
  function merge(old, fresh) {
    if (old.isEqualNode(fresh)) return
    if (old.nodeName !== fresh.nodeName || key(old) !== key(fresh)) return old.replaceWith(fresh)
    if (old.nodeName === 'DETAILS' && old.open) fresh.setAttribute('open', '')
    if (old.nodeName === 'FORM' && busy(old)) return
    if (old instanceof HTMLInputElement && old.type === 'hidden') return old.replaceWith(fresh)
    if (old.nodeType !== Node.ELEMENT_NODE) return old.replaceWith(fresh)
    for (const a of [...old.attributes]) if (!fresh.hasAttribute(a.name)) old.removeAttribute(a.name)
    for (const a of [...fresh.attributes]) if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value)
    const was = [...old.childNodes], is = [...fresh.childNodes]
    const byKey = new Map(was.filter(key).map(n => [key(n), n]))
    let at = 0
    for (const n of is) {
      const k = key(n)
      const same = k ? byKey.get(k) : was[at] && !key(was[at]) ? was[at] : null
      if (same && same.parentNode === old) {
        const here = old.childNodes[at]
        if (same !== here) old.insertBefore(same, here || null)
        merge(same, n)
      } else old.insertBefore(n, old.childNodes[at] || null)
      at++
      was.length = 0
      was.push(...old.childNodes)
    }
    while (old.childNodes.length > is.length) old.lastChild.remove()
  }

  async function read() {
    if (reading) { again = true; return }
    reading = true
    try {
      const answer = await fetch(location.href, { cache: 'no-store' })
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      // Once our server has ended, another program may take its port: only who knows our mark is believed.
      if (page.body.dataset.mark !== document.body.dataset.mark) return lose()
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.replace(answer.url); return }
      const fresh = page.getElementById('main'), old = document.getElementById('main')
      if (!fresh) return
      if (lost) { lost = false; live.classList.add('away'); able(true) }
      const flash = old.querySelector(':scope > .flash')
      if (flash && !fresh.querySelector(':scope > .flash')) fresh.prepend(document.importNode(flash, true))
      const focused = document.activeElement && document.activeElement.id
      merge(old, document.importNode(fresh, true))
      if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true })
      document.title = page.title
      const summary = document.getElementById('main').dataset.summary
      if (summary && summary !== said) { said = summary; live.textContent = summary }
      const ask = document.getElementById('secret')
      if (ask && document.activeElement === document.body) ask.focus()
    } catch (e) {
      if (!(e instanceof TypeError && /fetch/i.test(e.message))) console.error(e) // else the stream says when it is back
    } finally {
      reading = false
      if (again) { again = false; setTimeout(read, 150) }
    }
  }

  // able lets forms be sent, or not: nobody is known to be there who may get what they hold.
  function able(yes) {
    for (const b of document.querySelectorAll('form[method=post] button')) b.disabled = !yes
  }

  // lose says that the page is not fresh any more.
  function lose() {
    lost = true
    live.textContent = document.body.dataset.lost
    live.classList.remove('away')
    able(false)
  }

  function open() {
    if (stream || document.hidden || !topics.size) return
    const { stream: page, at } = document.body.dataset
    stream = new EventSource(root + 'live?' + new URLSearchParams({ page, at }))
    stream.addEventListener('open', () => { failed = 0; if (lost) read() }) // which says who is there
    stream.addEventListener('changed', e => { if (topics.has(e.data)) read() })
    stream.addEventListener('error', () => {
      if (++failed < 3 && stream.readyState !== EventSource.CLOSED) return
      lose()
      if (stream.readyState === EventSource.CLOSED) { stream = null; setTimeout(open, 5000) }
    })
  }

  // A browser has six connections for us, and each visible page holds one.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) return open() // which says what was missed
    if (stream) stream.close()
    stream = null
  })
  addEventListener('pagehide', () => { if (stream) stream.close(); stream = null })
  addEventListener('pageshow', e => { if (e.persisted) open() })
  setInterval(() => { if (document.hidden) fetch(root + 'alive').catch(() => {}) }, 15 * 60 * 1000) // it ends when no page is open

  // A choice in a list of choices is enough.
  for (const f of document.querySelectorAll('form.filter')) {
    f.addEventListener('change', () => f.requestSubmit())
    f.querySelector('button').hidden = true
  }
  // One open question at a time, closed by Escape.
  const asks = () => document.querySelectorAll('details.ask[open]')
  document.addEventListener('toggle', e => { if (e.target.matches?.('details.ask') && e.target.open) for (const d of asks()) if (d !== e.target) d.open = false }, true)
  document.addEventListener('keydown', e => { if (e.key === 'Escape') for (const d of asks()) { d.open = false; d.querySelector('summary').focus() } })
  open()
})()

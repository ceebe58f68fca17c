// The site of the documentation: the Markdown of the repository as it is, built by "npm run docs:site".
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { chapters, folders, others } from '../contents.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const listed = chapters.flatMap(({ pages }) => Object.keys(pages).map((page) => `${page}.md`))
const inFolders = Object.keys(folders).flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
    .filter((page) => !listed.includes(page)),
)
const pages = new Set([...listed, ...inFolders, ...others.filter((page) => existsSync(join(root, page)))])

/** The pages with their pictures, below this folder: only there is what their code imports. */
const copied = fileURLToPath(new URL('../pages', import.meta.url))
rmSync(copied, { recursive: true, force: true })
for (const path of [...pages, 'docs/pictures']) cpSync(join(root, path), join(copied, path), { recursive: true })

function titleOf(page) {
  return /^# (.*)$/m.exec(readFileSync(join(root, page), 'utf8'))?.[1] ?? page
}

const sidebar = [
  ...chapters.map(({ text, pages: ofChapter }) => ({
    text,
    items: Object.entries(ofChapter).map(([page, name]) => ({ text: name, link: linkOf(`${page}.md`) })),
  })),
  ...Object.entries(folders)
    .map(([folder, text]) => ({
      text,
      collapsed: true,
      items: inFolders
        .filter((page) => page.startsWith(`${folder}/`))
        .map((page) => ({ text: titleOf(page), link: linkOf(page) })),
    }))
    .filter(({ items }) => items.length > 0),
]

function linkOf(page) {
  return page === 'README.md' ? '/' : `/${page.slice(0, -'.md'.length)}`
}

/** Links to files that are no pages are text: the site has the pages alone. Comments say nothing to a reader. */
function onlyPages(md) {
  md.core.ruler.push('only-pages', ({ tokens, env }) => {
    const page = env.relativePath === 'index.md' ? 'README.md' : env.relativePath
    for (const { type, children } of tokens) {
      if (type !== 'inline') continue
      const open = []
      for (const token of children) {
        if (token.type === 'link_open') {
          const href = token.attrGet('href')
          const target = href.split('#')[0]
          const path = relative(root, join(root, dirname(page), target))
          const isText = target !== '' && !/^[a-z]+:/.test(target) && !pages.has(path)
          if (isText) [token.tag, token.attrs] = ['span', null]
          else if (path === 'README.md' && target !== '') token.attrSet('href', href.replace('README.md', 'index.md'))
          open.push(isText)
        } else if (token.type === 'link_close' && open.pop()) token.tag = 'span'
      }
    }
  })
  // Vue would compute what stands between double braces.
  for (const rule of ['text', 'code_inline']) {
    const render = md.renderer.rules[rule]
    md.renderer.rules[rule] = (...of) => render(...of).replaceAll('{{', '&#123;&#123;')
  }
  // A block that is indented looks like one with fences.
  md.renderer.rules.code_block = (tokens, index, ...of) => {
    tokens[index].info = 'txt'
    return md.renderer.rules.fence(tokens, index, ...of)
  }
  md.renderer.rules.html_block = (tokens, index) => {
    const text = tokens[index].content
    return text.startsWith('<!--') ? '' : md.utils.escapeHtml(text)
  }
  md.renderer.rules.html_inline = (tokens, index) => md.utils.escapeHtml(tokens[index].content)
}

export default defineConfig({
  title: 'Assay',
  description: 'Real-time fraud detection on a lakehouse: Kafka to Delta Lake, exactly once',
  srcDir: copied,
  outDir: fileURLToPath(new URL('../dist', import.meta.url)),
  cacheDir: fileURLToPath(new URL('../node_modules/.vitepress', import.meta.url)),
  rewrites: { 'README.md': 'index.md' },
  cleanUrls: false,
  lastUpdated: false,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  ignoreDeadLinks: 'localhostLinks',
  markdown: { config: onlyPages, languageAlias: { env: 'ini' } },
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guide', link: '/docs/guide/your-own-topic' },
      { text: 'Reference', link: '/docs/reference/configuration' },
      { text: version, link: '/CHANGELOG' },
    ],
    sidebar,
    outline: [2, 3],
  },
})

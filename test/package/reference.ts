import { readdir, readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  Application,
  type Comment,
  type CommentDisplayPart,
  type DeclarationReflection,
  type ProjectReflection,
  ReflectionKind,
} from 'typedoc'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What the docstrings say: as data, as Markdown, and what TypeDoc has against them. */
export interface Reference {
  readonly project: ProjectReflection
  readonly pages: ReadonlyMap<string, string>
  readonly complaints: readonly string[]
}

/**
 * Makes the reference as `npm run docs:reference` does, in another folder.
 *
 * @param entry A file in place of the package's entries.
 */
export async function makeReference(out: string, entry?: string): Promise<Reference> {
  const app = await Application.bootstrapWithPlugins({ options: root, logLevel: 'None', out })
  if (entry !== undefined) {
    app.options.setValue('entryPoints', [entry])
    app.options.setCompilerOptions([entry], { types: [] }, undefined)
  }
  const complaints: string[] = []
  app.logger.validationWarning = (message) => void complaints.push(message)
  app.logger.warn = (message) => void complaints.push(message)
  const project = await app.convert()
  if (project === undefined) throw new Error('TypeDoc could not read the entries.')
  app.validate(project)
  await app.generateOutputs(project)
  return { project, pages: await readPages(out), complaints }
}

/** The texts of a folder of Markdown files, by their paths in it. */
export async function readPages(folder: string): Promise<Map<string, string>> {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.md')).sort()
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))
  return new Map(files.map((file, index) => [file.replaceAll(sep, '/'), texts[index]!]))
}

/** What is said of an exported name below its signature, up to the next heading; undefined when it has none of its own. */
export function descriptionOf(page: string, name: string): string | undefined {
  const section = new RegExp(
    `^### (?:\`abstract\` )?${name.replaceAll('_', '\\\\_')}\\b(?:\\(\\)|\\\\<.*)?\\n([^]*?)(?=^#{1,4} (?!Call Signature$)|(?![^]))`,
    'm',
  )
  const lines = section.exec(page)?.[1]?.split('\n')
  return lines?.filter((line) => !/^(>.*|<a id.*|#.*|\*\*\*|)$/.test(line)).join('\n')
}

/** The docstring of a member, wherever TypeDoc keeps it: with the member, or with the signature of what it is. */
export function docstringOf(member: DeclarationReflection): Comment | undefined {
  const type = member.type?.type === 'reflection' ? member.type.declaration : undefined
  return member.comment ?? (member.signatures ?? type?.signatures)?.[0]?.comment
}

/** The functions of the entries, and these methods: each with its docstring. */
export function documentedCalls(project: ProjectReflection, names: readonly string[] = []): Map<string, Comment | undefined> {
  const functions = project.getReflectionsByKind(ReflectionKind.Function)
  const methods = project
    .getReflectionsByKind(ReflectionKind.Method)
    .filter((method) => names.includes(`${method.parent?.name}.${method.name}`))
  return new Map([...functions, ...methods].filter((call) => call.isDeclaration()).map((call) => [call.name, docstringOf(call)]))
}

/** What a docstring says, with its tags. */
export function textOf(comment: Comment | undefined): string {
  const tags = comment?.blockTags.map(({ tag, content }) => `${tag} ${joined(content)}`) ?? []
  return [joined(comment?.summary), ...tags].join('\n')
}

const joined = (parts: readonly CommentDisplayPart[] = []) => parts.map(({ text }) => text).join('')

/** The parts that a docstring lacks. */
export function missingParts(comment: Comment | undefined): string[] {
  const has = {
    'what it guarantees': joined(comment?.summary).trim() !== '',
    '@throws': comment?.getTag('@throws') !== undefined,
    '@example': /```ts\n/.test(joined(comment?.getTag('@example')?.content)),
  }
  return Object.entries(has).flatMap(([part, there]) => (there ? [] : [part]))
}

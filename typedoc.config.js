import { CommentTag, Converter, ReflectionKind } from 'typedoc'

// After inherited comments are copied, and before members are put into groups.
const PRIORITY = -50

/** Members are told where they are declared: every error would list those of its base again. Nobody constructs an error but rowlock. */
function ownMembers({ project }) {
  const { All, Constructor } = ReflectionKind
  const members = project.getReflectionsByKind(All).filter((member) => member.kindOf(Constructor) || member.inheritedFrom?.reflection)
  for (const member of members) project.removeReflection(member)
}

/** One list of what is thrown, each class a link, in place of a heading a line. */
function listedThrows({ project }) {
  const classes = new Map(project.getReflectionsByKind(ReflectionKind.Class).map((reflection) => [reflection.name, reflection]))
  for (const { comment } of project.getReflectionsByKind(ReflectionKind.All)) {
    const tags = comment?.getTags('@throws') ?? []
    if (tags.length === 0) continue
    const list = new CommentTag(
      '@throws',
      tags.flatMap((tag) => [text('\n- '), ...thrown(tag, classes), ...tag.content]),
    )
    comment.blockTags = comment.blockTags.flatMap((tag) => (tag === tags[0] ? list : tags.includes(tag) ? [] : tag))
  }
}

function thrown({ typeAnnotation = '' }, classes) {
  return [...typeAnnotation.matchAll(/\w+/g)].flatMap(([name]) => [linkTo(name, classes.get(name)), text(' ')])
}

const text = (text) => ({ kind: 'text', text })

function linkTo(name, target) {
  return target === undefined ? { kind: 'code', text: `\`${name}\`` } : { kind: 'inline-tag', tag: '@linkcode', target, text: name }
}

function tidy(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ownMembers, PRIORITY)
  app.converter.on(Converter.EVENT_RESOLVE_END, listedThrows, PRIORITY)
}

/** @type {import('typedoc').TypeDocOptions & import('typedoc-plugin-markdown').PluginOptions} */
export default {
  plugin: ['typedoc-plugin-markdown', tidy],
  entryPoints: ['src/index.ts', 'src/repositories.ts', 'src/lockers.ts', 'src/testing.ts'],
  tsconfig: 'tsconfig.build.json',
  // `npm run typecheck` is there for that.
  skipErrorChecking: true,
  out: 'docs/reference',
  name: 'API reference',
  readme: 'none',
  router: 'module',
  // Line numbers would change with every commit.
  disableSources: true,
  disableGit: true,
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  preservedTypeAnnotationTags: ['@throws'],
  groupOrder: ['Functions', 'Variables', 'Interfaces', 'Type Aliases', 'Classes'],
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  // 'Function' would ask it of every method of `PgClient` and its like, too: test/package/reference.test.ts asks more of functions.
  requiredToBeDocumented: ['Module', 'Variable', 'Class', 'Interface', 'TypeAlias'],
  // What finds out the types of a client, which nobody writes down.
  intentionallyNotExported: [
    'Args',
    'CommittingModel',
    'CompleteArgs',
    'DelegateName',
    'DelegateOf',
    'ExactArgs',
    'Extending',
    'FieldOf',
    'Find',
    'FindArgs',
    'LOCK_STRENGTHS',
    'ModelName',
    'ModelsOf',
    'Named',
    'RawQueries',
    'RepositoryModels',
    'ResultOfDelegate',
    'RowOf',
    'Scalars',
    'TransactionClientOfModel',
    'Where',
    'WithLockArgs',
    'Write',
  ],
  treatValidationWarningsAsErrors: true,
  // GitHub's own anchors of `leaseLocker()` and `LeaseLocker` differ by a number that depends on the order.
  useHTMLAnchors: true,
  anchorPrefix: 'api-',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  tableColumnSettings: { hideDefaults: true, hideInherited: true, hideModifiers: true, hideOverrides: true },
}

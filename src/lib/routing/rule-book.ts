/** What may speak against a mapping, in the order in which it is told. */
export const ruleBook = {
  shape: {
    why: 'The server takes nothing of the account when one entry has a form that it does not know.',
    fix: 'Write {subject, weight, cluster} in a token, {destination, weight, cluster} in a configuration file.',
  },
  'unset-variable': {
    why: 'The server reads it from an environment of its own, so what it stands for was not judged.',
    fix: 'Set it for this command as it is for the server.',
  },
  subject: {
    why: 'A subject is made of tokens between dots, without white space or control characters; > may only be the last.',
    fix: 'Write the subject without empty tokens and white space.',
  },
  'empty-destination': {
    why: 'Servers take it from a configuration file and crash at the first message to the source.',
    fix: 'Write the subject that the messages shall arrive on.',
  },
  'destination-wildcard': {
    why: 'A message goes to one subject, and a * names many.',
    fix: 'Write $1 for what the first * of the source stands for.',
  },
  'tail-wildcard': {
    why: 'A > stands for the rest of the subject, which can be carried over only where both sides have it.',
    fix: 'End source and destination in > or neither.',
  },
  'wildcard-index': {
    why: 'A $n is what the n-th * of the source stands for.',
    fix: 'Count the * tokens of the source; the first is $1.',
  },
  'unused-wildcard': {
    why: 'Messages that differ only in that token arrive on the same subject, and servers below 2.10.0 refuse it.',
    fix: 'Use each * of the source once, as $1, $2 and so on.',
  },
  'repeated-wildcard': {
    why: 'Each * of the source used exactly once is what every server version agrees on.',
    fix: 'Use each * of the source once, as $1, $2 and so on.',
  },
  function: {
    why: 'Servers know wildcard, partition, split, splitFromLeft, splitFromRight, sliceFromLeft, sliceFromRight, left, right and random.',
    fix: 'Write the whole token as {{name(arguments)}}, such as {{wildcard(1)}}.',
  },
  'function-version': {
    why: 'The lowest server version of the account decides, because each server maps what its own clients publish.',
    fix: 'Leave the function out, or upgrade the servers first.',
  },
  'jwt-tail-wildcard': {
    why: 'Servers below 2.9.25 refuse an account token with a > in a destination.',
    fix: 'Map each subject of its own, or upgrade the servers first.',
  },
  weight: {
    why: 'NATS splits by whole percents from 0 to 100 and knows nothing finer.',
    fix: 'Write a whole number from 1 to 100.',
  },
  'weight-zero': {
    why: 'In a token a weight of 0 or none means 100, and in a configuration file 0 is never picked.',
    fix: 'Leave the destination out.',
  },
  sum: {
    why: 'The weights of a source are shares of all its messages, for each cluster and for those without one.',
    fix: 'Lower the weights until they sum to 100.',
  },
  'cluster-sum': {
    why: 'Servers below 2.10.0 add up the weights of all clusters and refuse more than 100.',
    fix: 'Keep the sum over all clusters within 100, or upgrade the servers first.',
  },
  rest: {
    why: 'What the weights leave of 100 stays on the source, where often nobody or an unversioned worker listens.',
    fix: 'Let the weights sum to 100, or write the source itself as a destination.',
  },
  loss: {
    why: 'The source is listed as a destination of itself, so what the weights leave of 100 is dropped.',
    fix: 'Let the weights sum to 100, unless the loss is meant.',
  },
  duplicate: {
    why: 'Servers refuse a destination that stands twice under one source, also in different clusters; some say yes and keep the old table.',
    fix: 'Write it once, with the sum of the weights.',
  },
  'duplicate-source': {
    why: 'Servers take the file without a word, and one of the two entries is lost.',
    fix: 'Write one entry with all destinations.',
  },
  'second-block': {
    why: 'The later mappings block of an account replaces the earlier one without a word.',
    fix: 'Keep one mappings block an account.',
  },
  overlap: {
    why: 'Where two sources match a subject, which one wins is drawn anew at each load of each server.',
    fix: 'Make the sources disjoint, or map only the wider one.',
  },
  chained: {
    why: 'Mappings are not chained: a message is mapped once and arrives there, however that subject is mapped.',
    fix: 'Map the source to where the message shall arrive.',
  },
  'own-destination': {
    why: 'Who publishes to that destination directly is mapped once more, to a subject that nobody listens to.',
    fix: 'Let versions listen on subjects that the source does not match.',
  },
  'no-op': {
    why: 'Every message of the account is compared with every mapping, and this one changes nothing.',
    fix: 'Remove the mapping.',
  },
  'protected-source': {
    why: 'NATS itself publishes there: replies, system requests, JetStream and services break when they are mapped.',
    fix: 'Choose a source that matches none of these subjects.',
  },
  'protected-destination': {
    why: 'A message that arrives there is obeyed as a request to the server, JetStream or a bucket.',
    fix: "Choose a destination among the account's own subjects.",
  },
  'many-mappings': {
    why: 'Each message is compared with each mapping, about 30 ns a piece.',
    fix: 'Prefer one source with a wildcard to many literal ones, and clear routes that are finished.',
  },
  'too-many-mappings': {
    why: 'With more than 1000 mappings an account has half of its throughput or less.',
    fix: 'Prefer one source with a wildcard to many literal ones, and clear routes that are finished.',
  },
  'token-size': {
    why: 'A token travels as one message, and servers take 1 MiB unless told otherwise.',
    fix: 'Prefer one source with a wildcard to many literal ones, and clear routes that are finished.',
  },
  expired: {
    why: 'Servers answer 200 to an expired token, store it, and lock the account out at the next load.',
    fix: 'Sign the account anew, without end or with a later one.',
  },
  'bad-signature': {
    why: 'Servers answer 200 to a token that they do not trust, store it, and lock the account out at the next load.',
    fix: 'Sign the token with a signing key of the operator.',
  },
  'issued-ahead': {
    why: 'Among tokens of one account the one issued last wins: what other tools sign now would lose.',
    fix: 'Sign the token with the present time.',
  },
  'managed-account': {
    why: 'A control plane signs the account from its own settings: at its next change of the account it overwrites what was pushed past it.',
    fix: 'Change the route through it: --driver controlplane.',
  },
  exporter: {
    why: 'Each push of an account that exports services drops the calls of other accounts that are in flight.',
    fix: 'Import the versioned subjects and put the split into the importing account.',
  },
  'not-live': {
    why: 'A server that does not have the table of the token splits otherwise than asked.',
    fix: 'lattice route ls',
  },
  'no-subscriber': {
    why: 'A share that is sent to nobody fails at once.',
    fix: 'Start the version first.',
  },
  'sink-heard': {
    why: 'A request fails at once only where nobody at all hears it; whoever watches the subject turns that into a timeout.',
    fix: 'Stop what watches the subject, or allow it where callers may wait.',
  },
  'other-queue': {
    why: 'Each queue group on a subject gets a copy of each message.',
    fix: 'Let all instances join one queue group.',
  },
  'every-instance': {
    why: 'A subscriber in no queue group gets every message, and so does each of the others.',
    fix: 'Let all instances join one queue group.',
  },
  'shared-leg': {
    why: 'Subscribers with a wildcard take their part of the messages of every version that it matches.',
    fix: 'Let each version listen on the subject of its own leg alone.',
  },
  'source-shared': {
    why: 'What the mapping leaves on the source is shared by all who listen there, whatever their version.',
    fix: 'Stop the other version from listening on the source, or give each version a subject of its own.',
  },
  'source-doubled': {
    why: "A leaf node for the whole account takes a copy of each call from the account's servers: who listens on the source there answers it as well.",
    fix: 'Let the workers listen on the subjects of their versions alone, and then change the route.',
  },
  'caller-permission': {
    why: 'Servers check the subject after the mapping: a request that may not go there is never answered.',
    fix: 'Allow these users to publish the destinations too, and then change the route.',
  },
  'callers-unseen': {
    why: 'Servers check the subject after the mapping, and what a user may publish stands in a token that only the user has.',
    fix: 'See that whoever may publish the source may publish the destinations too.',
  },
  'mapped-twice': {
    why: 'A message that goes through an import is mapped by the account that imports and again by the one that exports.',
    fix: 'Keep the split in the account that imports, and remove the other one.',
  },
  'leaf-subscribers': {
    why: 'What is published at a leaf node is handled there, and once more behind the mapping, as the leaf does not have it.',
    fix: 'Let the subscribers at the leaf listen on the subjects of their versions.',
  },
  'leaf-leg': {
    why: 'A leaf node tells what is listened to behind it, and not by whom nor in which queue groups.',
    fix: 'Look at the subscribers at the leaf itself.',
  },
  'services-file': {
    why: 'What is not understood in a file is never ignored: a command would act on something else than was meant.',
    fix: 'Write it as schemas/services.schema.json says; an editor with that schema shows it at once.',
  },
  'duplicate-service': {
    why: 'A command that names the service could mean either.',
    fix: 'Give each service a name of its own, or one entry with all sources.',
  },
  template: {
    why: 'Each version listens on a subject of its own, and the template says where the version stands in it.',
    fix: 'Write {v} once, and each * of the source as $1, $2 and so on, such as orders.{v}.$1.',
  },
  'shared-template': {
    why: 'Who listens on such a subject gets the requests of both sources, and cannot tell from which they came.',
    fix: 'Write something of the source into the template, such as orders.{v}.get.',
  },
  'leaf-announcement': {
    why: 'A reload does not tell leaf nodes that are connected what an account maps now.',
    fix: 'Let the leaf nodes connect again after the change.',
  },
} as const satisfies Readonly<Record<string, {readonly why: string; readonly fix: string}>>

/** Name of a rule; a stable word. */
export type RuleName = keyof typeof ruleBook

/** One rule that a change or a file breaks (`refuse`) or strains (`warn`); the sentence names it. */
export interface Finding {
  readonly rule: string
  readonly level: 'refuse' | 'warn'
  readonly sentence: string
  readonly why?: string
  readonly fix?: string
  /** The mapping that it is about, as it is written. */
  readonly source?: string
  /** Where that stands, such as a line of a file. */
  readonly where?: string
}

/** A finding with the reason and the remedy that its rule has. */
export function finding(
  rule: RuleName,
  level: Finding['level'],
  {sentence, source, where}: {readonly sentence: string; readonly source?: string; readonly where?: string | undefined},
): Finding {
  return {
    rule,
    level,
    sentence,
    ...ruleBook[rule],
    ...(source === undefined ? {} : {source}),
    ...(where === undefined ? {} : {where}),
  }
}

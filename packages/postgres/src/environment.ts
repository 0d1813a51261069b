/** This process's environment, or the given one, for others: without what the AWS SDK reads, which may open an object store. */
export function withoutStoreAccess(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('AWS_')));
}

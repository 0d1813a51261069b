/** Heroku's OAuth scopes, and which of them include which. */
export const SCOPES = ['global', 'identity', 'read', 'write', 'read-protected', 'write-protected'] as const;
export type Scope = (typeof SCOPES)[number];

const INCLUDES: Record<Scope, readonly Scope[]> = {
  global: SCOPES,
  identity: ['identity'],
  read: ['read'],
  write: ['read', 'write'],
  'read-protected': ['read', 'read-protected'],
  'write-protected': ['read', 'write', 'read-protected', 'write-protected'],
};

export function isScope(name: string): name is Scope {
  return (SCOPES as readonly string[]).includes(name);
}

/** Whether a token with these scopes may do what needs `wanted`. */
export function allows(scopes: readonly string[], wanted: Scope): boolean {
  return scopes.some((scope) => isScope(scope) && INCLUDES[scope].includes(wanted));
}

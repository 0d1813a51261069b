import type { Authorization, User } from '../store/records.js';

/** A person, through one of his tokens. */
export interface UserPrincipal {
  kind: 'user';
  user: User;
  authorization: Authorization;
  /** As it was sent, to be shown back to its own holder only. */
  token: string;
}

/** An add-on's maker, through a token that is scoped to that one add-on. */
export interface AddonPrincipal {
  kind: 'addon';
  addonId: string;
}

export type Principal = UserPrincipal | AddonPrincipal;

/** Who is named as the author of a release. */
export interface Actor {
  id: string;
  email: string;
}

export function actorOf(principal: UserPrincipal): Actor {
  return { id: principal.user.id, email: principal.user.email };
}

/** An answer in Heroku's error shape. The message reaches the user, so it must hold no secret. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly id: string,
    message: string,
    readonly extra: Record<string, unknown> = {},
  ) {
    super(message);
  }

  body(): Record<string, unknown> {
    return { id: this.id, message: this.message, ...this.extra };
  }
}

const NOUNS = {
  app: 'app',
  add_on: 'add-on',
  'add_on attachment': 'add-on attachment',
  'add_on service': 'add-on service',
  plan: 'add-on plan',
  release: 'release',
  user: 'user',
  collaborator: 'collaborator',
  authorization: 'authorization',
  session: 'session',
  dyno: 'dyno',
  buildpack: 'buildpack',
  team: 'team',
} as const;
export type Resource = keyof typeof NOUNS;

/** The 404 that both an absent thing and a thing of somebody else get, so that neither can be told apart. */
export function notFound(resource: Resource): ApiError {
  return new ApiError(404, 'not_found', `Couldn't find that ${NOUNS[resource]}.`, { resource });
}

/** A request that is understood and refused; the message says what is allowed. */
export function invalid(message: string): ApiError {
  return new ApiError(422, 'invalid_params', message);
}

export function forbidden(message: string): ApiError {
  return new ApiError(403, 'forbidden', message);
}

/** The add-on's maker did not answer as it should. */
export function unavailable(message: string): ApiError {
  return new ApiError(503, 'service_unavailable', message);
}

/** Heroku's way to ask "are you sure": the CLI repeats the request with the app's name as `confirm`. */
export function confirmationRequired(message: string): ApiError {
  return new ApiError(423, 'confirmation_required', message);
}

import type { ApiServer } from './api-server.js';

const ADDON = { id: 'addon-1', name: 'borealis-pg-hex-12345', addon_service: { name: 'borealis-pg' } };
export const ATTACHMENT = {
  id: 'attachment-1',
  name: 'DATABASE',
  app: { id: 'app-1', name: 'sushi' },
  addon: { id: ADDON.id, name: ADDON.name },
};
export const RESOURCE = `/heroku/resources/${ADDON.name}`;
export const AUTHORIZE =
  'POST /oauth/authorizations {"description":"Borealis PG CLI plugin temporary auth token","expires_in":180,"scope":["read","identity"]}';
export const REVOKE = 'DELETE /oauth/authorizations/authorization-1';

/** Lays out an app `sushi` with one add-on, as the Platform API describes them. */
export function layOutHeroku(api: ApiServer): void {
  api.answers
    .set('POST /actions/addon-attachments/resolve', { status: 200, body: [ATTACHMENT] })
    .set('GET /addons/addon-1', { status: 200, body: ADDON })
    .set('GET /apps/sushi/addons', {
      status: 200,
      body: [{ ...ADDON, id: 'other', addon_service: { name: 'redis' } }, ADDON],
    })
    .set('GET /addons/addon-1/addon-attachments', {
      status: 200,
      body: [{ ...ATTACHMENT, name: 'SHARED', app: { name: 'ramen' } }, ATTACHMENT],
    })
    .set('POST /oauth/authorizations', {
      status: 201,
      body: { id: 'authorization-1', access_token: { token: 'temporary-token', expires_in: 180 } },
    })
    .set('DELETE /oauth/authorizations/authorization-1', { status: 200, body: {} });
}

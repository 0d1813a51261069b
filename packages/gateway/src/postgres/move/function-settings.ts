import { type OwnTalk, statement } from '../backend/own-talk.js';
import { CustomSettings } from '../session/custom-settings.js';
import { customNames } from './custom-names.js';
import { Unmovable } from './state.js';

/**
 * SQL for the bodies of the database's functions that may set custom settings: what a session has set by calling one is not
 * in any text of its client's. A body that was parsed when it was made has no text; null stands for it.
 */
export const SETTING_BODIES = `(SELECT json_agg(CASE WHEN prosrc <> '' THEN prosrc END) FROM pg_proc p
  WHERE pronamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
    AND prolang NOT IN (SELECT oid FROM pg_language WHERE lanname IN ('internal', 'c'))
    AND (prosrc ~* 'set_config|\\mset\\s+(session\\s+|local\\s+)?("[^"]*"|\\w+)\\s*\\.'
      OR prosrc = '' AND to_jsonb(p)->>'prosqlbody' LIKE '%:funcid 2078 %'))`;

/**
 * The values of the settings that these functions may have made. Throws `Unmovable` when the names cannot be told from the
 * bodies, whether the session has called them or not.
 */
export async function functionSettings(
  talk: OwnTalk,
  bodies: readonly (string | null)[],
): Promise<[name: string, value: string][]> {
  const settings = new CustomSettings();
  for (const body of bodies) {
    if (body === null) settings.missed();
    else settings.see(Buffer.from(body));
  }
  if (settings.uncertain) throw new Unmovable('custom_settings', 'a function sets one whose name is not known');
  const [reply] = await talk.run([
    Buffer.concat([
      statement(`SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
        pg_catalog.set_config('client_encoding', 'UTF8', true)`),
      statement(VALUES, [JSON.stringify(customNames(settings.names))]),
    ]),
  ]);
  const text = reply!.rows[1]?.[0];
  if (reply!.error || text == null || text.includes('\ufffd')) throw new Unmovable('custom_settings');
  return JSON.parse(text) as [string, string][];
}

/** Names that stand in `pg_settings` are taken from there. */
const VALUES = `SELECT coalesce(json_agg(json_build_array(name, current_setting(name, true))), '[]')
  FROM json_array_elements_text($1::json) name
  WHERE current_setting(name, true) IS NOT NULL AND lower(name) NOT IN (SELECT lower(s.name) FROM pg_settings s)`;

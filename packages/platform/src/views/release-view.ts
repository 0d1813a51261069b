import type { App, Release } from '../store/records.js';
import { apiTime } from './time.js';

export function releaseView(app: App, row: Release): Record<string, unknown> {
  return {
    id: row.id,
    app: { id: app.id, name: app.name },
    version: row.version,
    description: row.description,
    status: 'succeeded',
    current: row.version === app.version,
    user: row.user,
    addon_plan_names: row.addonPlans,
    eligible_for_rollback: false,
    output_stream_url: null,
    slug: null,
    created_at: apiTime(row.createdAt),
    updated_at: apiTime(row.createdAt),
  };
}

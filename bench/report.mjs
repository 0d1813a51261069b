import { median, speedRatio } from './statistics.mjs';

/** Three digits that count. */
function digits(value) {
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** True or false where there is a target, undefined where there is none. */
function meets(target, value) {
  if (!target) return undefined;
  return target.below !== undefined ? value < target.below : value >= target.atLeast;
}

function verdict(target, value) {
  const met = meets(target, value);
  if (met === undefined) return ['', ''];
  const wanted = target.below !== undefined ? `< ${target.below}` : `≥ ${target.atLeast.toFixed(2)}`;
  return [wanted, met ? 'yes' : '**no**'];
}

function comparedRow({ name, unit, ours, peer, time, target }) {
  const { ratio, low, high } = speedRatio(ours, peer, { time });
  const values = [ours, peer].map((side) => `${digits(median(side))} ${unit}`);
  return [
    name,
    ...values,
    `**${ratio.toFixed(2)}**`,
    `${low.toFixed(2)} to ${high.toFixed(2)}`,
    ...verdict(target, ratio),
  ];
}

function aloneRow({ name, value, unit, target, detail = '' }) {
  return [name, `${digits(value)} ${unit}`, ...verdict(target, value), detail];
}

function table(head, rows) {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The tables of all results, in Markdown. */
export function renderResults(results) {
  const compared = results.flatMap((result) => result.compared ?? []);
  const alone = results.flatMap((result) => result.alone ?? []);
  const main = compared.filter(({ aside }) => !aside);
  const aside = compared.filter((row) => row.aside);
  const head = ['', 'gateway', 'sshd', 'ratio', 'range', 'target', 'met'];
  const parts = [];
  if (main.length > 0)
    parts.push(`## Against sshd in front of PostgreSQL with TLS\n\n${table(head, main.map(comparedRow))}`);
  if (aside.length > 0)
    parts.push(
      `## Against an sshd that does not wait\n\n${NODELAY}\n\n${table(
        head.slice(0, 5),
        aside.map((row) => comparedRow(row).slice(0, 5)),
      )}`,
    );
  if (alone.length > 0)
    parts.push(`## By itself\n\n${table(['', 'median or mean', 'target', 'met', ''], alone.map(aloneRow))}`);
  for (const { title, note, head: columns, rows } of results.flatMap((result) => result.tables ?? []))
    parts.push([`## ${title}`, ...(note ? [note] : []), table(columns, rows)].join('\n\n'));
  parts.push(...results.flatMap(({ failure, skipped = [] }) => (failure ? [failure] : skipped)));
  return parts.join('\n\n');
}

const NODELAY = `A stock sshd leaves Nagle's algorithm on while a connection only forwards (\`ssh -N\`), so answers of several packets wait
for a delayed acknowledgement. Where the gateway leads in connects or with many clients, most of it comes from there. Here
sshd is brought to switch it off by a session beside the forwarding, which servers that only forward do not allow.`;

/** When each measure was taken, and on what. */
function renderRuns(figures) {
  const all = Object.entries(figures);
  const rows = all.map(([name, { at, load, machine }]) => [name, at, load, ...machine.map(([, value]) => value)]);
  const columns = all[0][1].machine.map(([name]) => name);
  const [peer] = all.flatMap(([, run]) => run.peer ?? []);
  const [crypto] = all.flatMap(([, run]) => run.nativeCrypto ?? []);
  const lines = [peer && `The peer: ${peer}.`, crypto && `Compiled SSH crypto in the gateways: ${crypto}.`];
  return [table(['', 'UTC', 'load', ...columns], rows), lines.filter(Boolean).join(' ')].join('\n\n');
}

/** docs/benchmarks.md, of what each measure has found last. */
export function renderPage(figures, sizes) {
  return `# Benchmarks

Made by \`npm run bench\`; do not edit.

${renderResults(Object.values(figures).map(({ result }) => result))}

## How it is measured

Both sides are reached with the machine's own \`ssh -N -L\` and the same options (AES-GCM, as the buildpack asks for), over
loopback, with \`sslmode=require\` and SCRAM. The gateway is that of an add-on provisioned on a whole installation; the peer is
OpenSSH's sshd with stock settings in front of the same PostgreSQL release with the same settings, listening on loopback
with TLS. The two take turns within each of ${sizes.rounds} rounds (${sizes.tunnels} for tunnels), the order reversed in every other one; pgbench runs
${sizes.seconds} s at a time at scale ${sizes.scale} with one thread. Rates and times are medians. A ratio is the median over the rounds of the ratio within each
round, above 1 where the gateway is faster; the range is that of the rounds. Memory is proportional set size, which counts
what processes share once over all of them.

What concerns the archive, pools, clones and restores is measured without gateway and network, on the server's own socket: the
engine of this machine runs on homes of its own, on a plain directory and on pools made for the purpose (XFS on a loop device past
the page cache; encrypted: LUKS with AES-256-XTS in between, as \`borealis pool init\` makes it). Sides and sizes take turns
in the same way. pgbench is TPC-B. After every clone and restore the sums of its four tables have to be equal, or there is no figure.

## Where it was measured

${renderRuns(figures)}

The benchmark, the clients and both servers share these cores, so that every figure moves with whatever else runs. The benchmark
itself makes a load of 2 to 3; what is beyond that was other work, and then times such as that of provisioning are upper bounds.
Ratios are the steadier part, and a difference smaller than its range is none. There is no network in between: loopback has
no latency and loses nothing.
`;
}

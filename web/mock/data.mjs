// Canned answers in the shapes of docs/api.md: the flights example.
import { topicAnswer } from './topics.mjs';
const now = Date.now();
const ago = (seconds) => new Date(now - seconds * 1000).toISOString();

export const me = { name: 'admin', roles: ['admin'], groups: [], admin: true, has_password: true };

const sets = [
  ['raw_registry', 'planes', 3322, 412000, 'Every plane of the registry.', 'sources/registry.yaml', 'ok', 190],
  ['raw_registry', 'airports', 1458, 190000, 'Airports of the United States.', 'sources/registry.yaml', 'ok', 190],
  ['raw_registry', 'airlines', 16, 2100, 'Airlines.', 'sources/registry.yaml', 'ok', 190],
  ['raw_weather', 'weather', 26115, 2900000, 'Hourly observations.', 'sources/weather.yaml', 'running', 65],
  ['raw_flights', 'flights', 336776, 31000000, 'Departures from New York in 2013.', 'sources/flights.yaml', 'ok', 12],
  [
    'delays',
    'flights',
    336776,
    9800000,
    'Every flight with its plane, airports and weather.',
    'use_cases/delays/flights.sql',
    'ok',
    9,
  ],
  ['delays', 'by_day', 365, 31000, 'Mean delay a day.', 'use_cases/delays/by_day.sql', 'ok', 8],
  ['delays', 'by_carrier', 16, 4000, 'Delay a carrier.', 'use_cases/delays/by_carrier.sql', 'waiting', 4000],
  [
    'fleet',
    'planes_in_service',
    3322,
    210000,
    'Planes that flew, and how often.',
    'use_cases/fleet/planes_in_service.sql',
    'failed',
    300,
  ],
];
const inputs = {
  'delays.flights': ['raw_flights.flights', 'raw_registry.planes', 'raw_registry.airports', 'raw_weather.weather'],
  'delays.by_day': ['delays.flights'],
  'delays.by_carrier': ['delays.flights', 'raw_registry.airlines'],
  'fleet.planes_in_service': ['raw_registry.planes', 'delays.flights'],
};
const isRaw = (schema) => schema.startsWith('raw_');
const taskOf = (schema, name) => (isRaw(schema) ? `source:${schema.slice(4)}.${name}` : `table:${schema}.${name}`);

const datasets = [
  ...sets.map(([schema, name, rows, bytes, description, file, , age], index) => ({
    schema,
    name,
    kind: isRaw(schema) ? 'raw' : 'table',
    description,
    owner: isRaw(schema) ? '' : 'operations',
    tags: name === 'planes' ? ['identifying'] : [],
    version: String(3 + index),
    rows,
    bytes,
    updated_at: ago(age),
    defined_in: file,
  })),
  ...['audit', 'runs', 'tasks', 'assets', 'loads', 'metrics'].map((name) => ({
    schema: 'system',
    name,
    kind: 'system',
    description: `What the platform knows of its ${name}.`,
    owner: '',
    tags: [],
    version: '',
    rows: null,
    bytes: null,
    updated_at: null,
    defined_in: '',
  })),
];

const columns = [
  ['carrier', 'VARCHAR', false, 'Two letters of the airline.'],
  ['flight', 'BIGINT', false, 'Number of the flight.'],
  ['origin', 'VARCHAR', false, 'Airport of departure.'],
  ['dest', 'VARCHAR', false, 'Airport of arrival.'],
  ['time_hour', 'TIMESTAMP', false, 'Scheduled hour.'],
  ['arr_delay', 'DOUBLE', true, 'Minutes late; less than zero is early.'],
  ['tailnum', 'VARCHAR', true, 'Registration of the plane.'],
  ['plane_model', 'VARCHAR', true, ''],
  ['distance', 'DECIMAL(10,1)', true, 'Miles.'],
].map(([name, type, nullable, description]) => ({ name, type, nullable, description }));

const carriers = ['UA', 'B6', 'EV', 'DL', 'AA', 'MQ', 'US', '9E', 'WN', 'VX'];
const flightRow = (index) => [
  carriers[index % 10],
  1545 + ((index * 37) % 4000),
  ['EWR', 'LGA', 'JFK'][index % 3],
  ['IAH', 'MIA', 'BQN', 'ATL'][index % 4],
  `2013-01-${String(1 + (index % 28)).padStart(2, '0')} 05:00:00`,
  index % 7 === 0 ? null : ((index * 13) % 90) - 20,
  index % 11 === 0 ? null : `N${14228 + index}`,
  ['737-824', 'A320-232', 'ERJ 190-100'][index % 3],
  `${1400 + (index % 900)}.0`,
];

export function sqlResult(sql, limit) {
  const reads = [{ schema: 'delays', name: 'flights', version: '8' }];
  const head = { seconds: 0.0134, reads, statements: 1, truncated: false };
  if (/group by/i.test(sql)) {
    const rows = carriers.map((carrier, index) => [carrier, 58000 - index * 5200, 3.5 + index * 1.37]);
    const named = [
      ['carrier', 'VARCHAR'],
      ['flights', 'BIGINT'],
      ['mean_delay', 'DOUBLE'],
    ].map(([name, type]) => ({ name, type }));
    return { ...head, columns: named, rows, row_count: rows.length };
  }
  const rows = Array.from({ length: limit }, (_, index) => flightRow(index));
  return {
    ...head,
    columns: columns.map(({ name, type }) => ({ name, type })),
    rows,
    row_count: limit,
    truncated: true,
  };
}

const states = [
  'succeeded',
  'succeeded',
  'running',
  'unchanged',
  'succeeded',
  'failed',
  'succeeded',
  'queued',
  'cancelled',
  'waiting_retry',
];
const runs = Array.from({ length: 60 }, (_, index) => {
  const [schema, name, rows] = sets[index % sets.length];
  const state = states[index % states.length];
  const done = !['running', 'queued', 'waiting_retry'].includes(state);
  return {
    id: String(120 - index),
    task: taskOf(schema, name),
    trigger: ['new data', 'schedule', 'definition', 'hand: user:admin'][index % 4],
    state,
    attempt: state === 'waiting_retry' ? 2 : 1,
    queued_at: ago(20 + index * 97),
    started_at: state === 'queued' ? null : ago(19 + index * 97),
    ended_at: done ? ago(19 + index * 97 - (index % 5) - 0.4) : null,
    note: done ? '' : 'page 4 of 12',
    version: String(8 + (index % 3)),
    error: state === 'failed' ? 'check unique [tailnum] failed: 2 rows have the same key' : '',
    rows: done ? rows : -1,
    warnings: index === 4 ? ['check rows: 1,458 is fewer than 1,500'] : [],
  };
});
const runLog = [
  'reads raw_registry.planes @ 5',
  'reads delays.flights @ 8',
  'wrote 3,322 rows as version 9',
  'check not_null [tailnum] holds',
  'check unique [tailnum] failed: 2 rows have the same key',
  'the old version stays',
];

const tasks = sets.map(([schema, name, , , , file, state]) => ({
  id: taskOf(schema, name),
  kind: isRaw(schema) ? 'source' : 'table',
  dataset: `${schema}.${name}`,
  file,
  inputs: inputs[`${schema}.${name}`] ?? [],
  every_seconds: isRaw(schema) ? 3600 : null,
  fresh: state === 'ok',
  next_due: isRaw(schema) ? new Date(now + 1700e3).toISOString() : null,
  why: {
    ok: 'it is fresh: nothing new since the last run',
    running: 'it runs now',
    waiting: 'it waits for raw_registry.airlines, which runs first',
    failed: 'it failed 3 times; it runs again when its inputs or its file change',
  }[state],
  last: runs.find((run) => run.task === taskOf(schema, name) && run.ended_at) ?? null,
  current: state === 'running' ? { ...runs[2], task: taskOf(schema, name) } : null,
}));

const boardTiles = [
  ['number', 'Flights', 'SELECT count(*) FROM delays.flights', [['n', 'BIGINT']], [[336776]]],
  [
    'number',
    'Mean arrival delay, minutes',
    'SELECT avg(arr_delay) FROM delays.flights',
    [['avg', 'DOUBLE']],
    [[6.895376757]],
  ],
  [
    'number',
    'Late by an hour or more',
    'SELECT count(*) FROM delays.flights WHERE arr_delay >= 60',
    [['n', 'BIGINT']],
    [[27789]],
  ],
  ['number', 'Planes', 'SELECT count(*) FROM raw_registry.planes', [['n', 'BIGINT']], [[3322]]],
  [
    'line',
    'Mean arrival delay a month',
    'SELECT month, avg(arr_delay) FROM delays.flights GROUP BY 1 ORDER BY 1',
    [
      ['month', 'BIGINT'],
      ['delay', 'DOUBLE'],
    ],
    [6.1, 5.6, 5.8, 11.2, 3.5, 16.5, 16.7, 6.0, -4.0, -0.2, 0.5, 14.9].map((value, index) => [index + 1, value]),
  ],
  [
    'bar',
    'Flights by carrier',
    'SELECT carrier, count(*) FROM delays.flights GROUP BY 1 ORDER BY 2 DESC',
    [
      ['carrier', 'VARCHAR'],
      ['flights', 'BIGINT'],
    ],
    carriers.map((carrier, index) => [carrier, 58665 - index * 5300]),
  ],
  [
    'line',
    'Delay by airport of departure',
    'SELECT month, origin, avg(dep_delay) FROM delays.flights GROUP BY ALL',
    [
      ['month', 'BIGINT'],
      ['origin', 'VARCHAR'],
      ['delay', 'DOUBLE'],
    ],
    Array.from({ length: 36 }, (_, index) => [
      1 + (index % 12),
      ['EWR', 'JFK', 'LGA'][Math.floor(index / 12)],
      10 + 8 * Math.sin(index / 2) + Math.floor(index / 12) * 3,
    ]),
  ],
  [
    'table',
    'Worst days',
    'SELECT * FROM delays.by_day ORDER BY mean_delay DESC LIMIT 20',
    [
      ['day', 'DATE'],
      ['flights', 'BIGINT'],
      ['mean_delay', 'DOUBLE'],
    ],
    Array.from({ length: 20 }, (_, index) => [`2013-03-${String(8 + index)}`, 979 - index * 7, 85.86 - index * 2.3]),
  ],
];
const readsOf = (text) => [...new Set([...text.matchAll(/(?:FROM|JOIN) (\w+\.\w+)/g)].map((match) => match[1]))];
const board = {
  use_case: 'delays',
  name: 'delays',
  title: 'Delays from New York',
  description: 'How late flights from New York arrive, and why.',
  file: 'use_cases/delays/delays.dashboard.yaml',
  time_zone: '',
  refresh_seconds: 0,
  owned_by: 'workspace',
  text: 'title: Delays from New York\n',
  hash: '',
  may_write: false,
  filters: ['carrier', 'origin'].map((name) => ({
    name,
    kind: 'choice',
    label: name,
    columns: [`delays.flights.${name}`],
    values: [],
    default: '',
  })),
  reports: [],
  tiles: boardTiles.map(([kind, title, sql], index) => ({
    index,
    kind,
    title,
    sql,
    description: '',
    look: {},
    dimensions: kind === 'bar' ? [0] : [],
    reads: readsOf(sql),
    filters: readsOf(sql).includes('delays.flights') ? ['carrier', 'origin'] : [],
    line: 8 + index,
  })),
};

function tile(index, parameters) {
  const [, , sql, named, rows] = boardTiles[index];
  const given = [...parameters.keys()];
  const fits = readsOf(sql).includes('delays.flights');
  return {
    columns: named.map(([name, type]) => ({ name, type })),
    rows,
    sql,
    seconds: 0.008,
    truncated: false,
    filters_applied: fits ? given : [],
    filters_ignored: fits ? [] : given,
    reads: readsOf(sql).map((read) => ({ schema: read.split('.')[0], name: read.split('.')[1], version: '8' })),
  };
}

const overview = (count) => ({
  name: 'flights',
  version: '0.1.0',
  uptime_seconds: 5400 + count,
  memory_bytes: 191e6,
  nodes: [
    ...['registry', 'weather', 'flights'].map((name) => ({
      id: `source:${name}`,
      kind: 'source',
      title: name,
      state: 'ok',
    })),
    ...sets.map(([schema, name, rows, bytes, , file, state, age]) => ({
      id: `${schema}.${name}`,
      kind: isRaw(schema) ? 'raw' : 'table',
      title: `${schema}.${name}`,
      schema,
      state,
      rows,
      bytes,
      version: '8',
      updated_at: ago(age),
      note: '',
      file,
      task: taskOf(schema, name),
    })),
    {
      id: 'dashboard:delays.delays',
      kind: 'dashboard',
      title: board.title,
      state: 'ok',
      link: '/dashboards/delays/delays',
    },
  ],
  edges: [
    ...sets
      .filter(([schema]) => isRaw(schema))
      .map(([schema, name]) => ({ from: `source:${schema.slice(4)}`, to: `${schema}.${name}` })),
    ...Object.entries(inputs).flatMap(([to, all]) => all.map((from) => ({ from, to }))),
    ...['delays.flights', 'delays.by_day', 'raw_registry.planes'].map((from) => ({
      from,
      to: 'dashboard:delays.delays',
    })),
  ],
  attention: [
    {
      title: 'fleet.planes_in_service failed',
      text: 'check unique [tailnum] failed: 2 rows have the same key',
      link: '/runs/115',
    },
  ],
});

const lineage = {
  nodes: [
    'delays.flights',
    ...inputs['delays.flights'],
    'delays.by_day',
    'delays.by_carrier',
    'fleet.planes_in_service',
  ].map((id) => ({ id, kind: isRaw(id) ? 'raw' : 'table', version: '8' })),
  edges: Object.entries(inputs).flatMap(([to, all]) =>
    all
      .filter((from) => from !== 'raw_registry.airlines')
      .map((from) => ({
        from,
        to,
        columns: columns.slice(0, 4).map(({ name }) => ({ column: name, input_column: name })),
      })),
  ),
};

const audit = Array.from({ length: 100 }, (_, index) => ({
  sequence: 5000 - index,
  time: ago(index * 7),
  phase: index % 17 === 5 ? 'denied' : 'end',
  class: 'read',
  call_id: `c${index}`,
  principal: index % 3 ? 'user:admin' : 'user:alice',
  credential: 'session:4f1c',
  remote: '127.0.0.1:51120',
  protocol: index % 4 ? 'http' : 'pgwire',
  operation: index % 4 ? 'POST /api/v1/sql' : 'query',
  action: index % 4 ? 'sql:Query' : 'table:Read',
  resource: index % 4 ? 'platform:*' : 'table:delays.flights',
  status: index % 17 === 5 ? 'permission_denied' : 'ok',
  rows: index * 31,
  bytes: index * 4096,
  duration_us: 1200 + index * 310,
  details: {
    sql: 'SELECT carrier, count(*)\nFROM delays.flights\nGROUP BY 1',
    tables: [{ schema: 'delays', name: 'flights', version: '8' }],
  },
}));

const definitions = [...new Set(sets.map((set) => set[5])), board.file].map((file) => ({
  kind: file.startsWith('sources') ? 'source' : file.endsWith('.sql') ? 'table' : 'dashboard',
  name: file.split('/').at(-1).split('.')[0],
  file,
  description: 'What it is for.',
  hash: 'ab12',
  text: file.endsWith('.sql')
    ? "/* tarn\ndescription: Mean delay a day.\nkeep: full\n*/\nSELECT date_trunc('day', time_hour) AS day, count(*) AS flights,\n       avg(arr_delay) AS mean_delay\nFROM delays.flights\nGROUP BY 1\n"
    : 'kind: files\npath: ./inbox/*.csv.gz\nstreams: {flights: {format: csv}}\n',
}));
export const plan = {
  steps: [
    { change: 'add', kind: 'table', name: 'delays.by_hour', file: 'use_cases/delays/by_hour.sql' },
    { change: 'change', kind: 'source', name: 'weather', file: 'sources/weather.yaml' },
  ],
  issues: [],
};

const sources = ['registry', 'weather', 'flights'].map((name, index) => ({
  name,
  kind: ['postgresql', 'rest', 'files'][index],
  description: '',
  file: `sources/${name}.yaml`,
  streams: sets
    .filter(([schema]) => schema === `raw_${name}`)
    .map(([schema, stream]) => ({
      name: stream,
      cursor: index ? '' : 'updated_at',
      key: index ? [] : ['id'],
      dataset: `${schema}.${stream}`,
      every_seconds: 3600,
    })),
}));

const fixed = {
  '/me': () => me,
  '/overview': (_, count) => overview(count),
  '/catalog': (asked) => ({
    datasets: datasets.filter((one) => `${one.schema}.${one.name} ${one.description}`.includes(asked.get('q') ?? '')),
  }),
  '/sql/words': () => ({
    words: ['SELECT', 'FROM', 'WHERE', 'GROUP BY', 'ORDER BY', 'count', 'avg'],
    relations: datasets.map(({ schema, name }) => ({ schema, name, columns: columns.map((column) => column.name) })),
  }),
  '/runs': (asked) => ({
    runs: runs
      .filter(
        (run) =>
          (!asked.get('task') || run.task === asked.get('task')) &&
          (!asked.get('state') || run.state === asked.get('state')),
      )
      .slice(0, Number(asked.get('limit'))),
  }),
  '/tasks': () => ({ tasks }),
  '/sources': () => ({ sources }),
  '/dashboards': () => ({ dashboards: [{ ...board, tiles: board.tiles.length, filters: undefined }] }),
  '/dashboards/delays/delays': () => board,
  '/audit': () => ({ entries: audit, damaged: false, next_before: 4900 }),
  '/audit/verify': () => ({
    segments: 3,
    records: 5000,
    issue_count: 0,
    issues: [],
    head: { segment: 3, offset: 1, sequence: 5000, chain: 'ab'.repeat(32) },
  }),
  '/workspace': () => ({
    name: 'flights',
    directory: '/srv/flights',
    definitions,
    issues: [
      {
        file: 'use_cases/delays/by_hour.sql',
        line: 4,
        column: 12,
        message: 'there is no table delays.flight; nearest: delays.flights',
      },
    ],
  }),
  '/status': () => ({
    level: 'ok',
    name: 'flights',
    version: '0.1.0',
    at: ago(0),
    uptime_seconds: 7260,
    ready: true,
    components: ['metadata', 'lake', 'engine', 'orchestrator', 'audit'].map((component) => ({
      component,
      healthy: true,
      level: 'ok',
    })),
    memory: { level: 'ok', used_bytes: 3e8, budget_bytes: 12e9, queries_bytes: 8e9 },
    disk: { level: 'ok', used_bytes: 2e9, left_bytes: 9e10, warn_bytes: 1e10, stop_bytes: 1e9 },
    backup: { level: 'ok', schedule: null, last_success: null, message: '' },
    work: {
      counts: { running: 0, queued: 0, waiting_retry: 0, waiting_approval: 0, waiting_items: 0 },
      complete: true,
      runs: [],
    },
    failing: { count: 0, list: [] },
    late: { count: 0, list: [] },
    alerts: { count: 0, list: [] },
    unreadable: [],
  }),
  '/operations': () => ({
    operations: [
      {
        protocol: 'http',
        name: 'GET /api/v1/catalog',
        action: 'self',
        resource: 'platform',
        audit_class: 'read',
        body_bytes_max: 0,
      },
      {
        protocol: 's3',
        name: 'GetObject',
        action: 'object:Read',
        resource: 'object',
        audit_class: 'read',
        body_bytes_max: 0,
      },
    ],
  }),
  '/users': () => ({
    users: [
      { name: 'admin', roles: ['admin'], groups: [], has_password: true, created_at: ago(9e5), last_login_at: ago(60) },
      {
        name: 'alice',
        roles: ['analyst'],
        groups: ['analysts'],
        has_password: true,
        created_at: ago(9e4),
        last_login_at: null,
      },
    ],
  }),
  '/roles': () => ({
    roles: [
      {
        name: 'analyst',
        description: 'Reads the delays.',
        owner: 'workspace',
        file: 'policies/analysts.yaml',
        members: ['group:analysts'],
        users: ['alice'],
        allow: [{ actions: ['table:Read', 'dashboard:Read'], resources: ['delays.*'], line: 3 }],
        deny: [],
      },
    ],
  }),
  '/tokens': () => ({
    tokens: [
      {
        user: 'admin',
        name: 'notebook',
        created_at: ago(8e4),
        expires_at: new Date(now + 8e9).toISOString(),
        last_used_at: ago(400),
      },
    ],
  }),
  '/s3-keys': () => ({ s3_keys: [] }),
  '/secrets': () => ({ secrets: [{ name: 'registry', updated_at: ago(8e4) }] }),
};

function dataset(schema, name, rest) {
  const found = datasets.find((one) => one.schema === schema && one.name === name);
  if (!found) return null;
  if (!rest) return { ...found, columns };
  if (rest === '/preview')
    return {
      columns: columns.map(({ name: column, type }) => ({ name: column, type })),
      rows: Array.from({ length: 50 }, (_, index) => flightRow(index)),
    };
  if (rest === '/lineage') return lineage;
  if (rest === '/versions')
    return {
      versions: Array.from({ length: 8 }, (_, index) => ({
        version: String(8 - index),
        committed_at: ago(60 + index * 3600),
        operation: index ? 'merge' : 'create',
        principal: 'system',
        run_id: String(120 - index),
        rows: found.rows,
        rows_added: index * 10,
        bytes: found.bytes,
        details: { files_added: 1, files_removed: index },
      })),
    };
  return {
    inputs: (inputs[`${schema}.${name}`] ?? []).map((id) => ({
      schema: id.split('.')[0],
      name: id.split('.')[1],
      version: '5',
    })),
    objects: ['raw/flights/flights/000001/part-0.csv.gz'],
    run_id: '120',
  };
}

export function answer(path, asked, count) {
  if (fixed[path]) return fixed[path](asked, count);
  const table = /^\/catalog\/(\w+)\/(\w+)(\/.*)?$/.exec(path);
  if (table) return dataset(table[1], table[2], table[3]);
  const one = /^\/runs\/(\d+)$/.exec(path);
  if (one) return { ...runs.find((run) => run.id === one[1]), log: runLog };
  const shown = /^\/dashboards\/delays\/delays\/tiles\/(\d+)$/.exec(path);
  if (shown) return tile(Number(shown[1]), asked);
  if (path.startsWith('/dashboards/delays/delays/filters/'))
    return { values: path.endsWith('origin') ? ['EWR', 'JFK', 'LGA'] : carriers };
  return topicAnswer(path, asked);
}

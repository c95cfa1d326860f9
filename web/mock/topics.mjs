// What the stand-in for the API says of topics and consumer groups.
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

const records = Array.from({ length: 240 }, (_, index) => ({
  partition: index % 3,
  offset: Math.floor(index / 3),
  time: ago(240 - index),
  key: `N${100 + (index % 40)}`,
  value: JSON.stringify({ event: index % 2 ? 'departed' : 'arrived', flight: index, delay: (index * 7) % 60 }),
  headers: [{ key: 'source', value: 'mock' }],
}));
const summary = {
  name: 'flight_events',
  partitions: 3,
  records: 240,
  bytes: 21_400,
  records_per_second: 12.4,
  bytes_per_second: 1100,
  cleanup_policy: 'delete',
  created_at: ago(86_400),
};
const group = {
  group: 'delays',
  state: 'Stable',
  protocol_type: 'consumer',
  protocol: 'range',
  members: 1,
  topics: ['flight_events'],
  lag: 30,
};
const setting = (name, value, fallback, documentation) => ({
  name,
  value,
  default: fallback,
  is_set: value !== fallback,
  type: 'integer',
  allowed: [],
  documentation,
});
const detail = {
  ...summary,
  partitions: [0, 1, 2].map((partition) => ({
    partition,
    start: 0,
    end: 80,
    records: 80,
    bytes: 7100,
    newest_at: ago(1),
  })),
  settings: [
    setting('retention.ms', '3600000', '604800000', 'How long records are kept; -1: for ever.'),
    setting('max.message.bytes', '1048588', '1048588', 'The largest batch that is taken.'),
  ],
  groups: [{ group: 'delays', state: 'Stable', members: 1, lag: 30 }],
  throughput: {
    until: ago(2),
    step_seconds: 10,
    records_per_second: Array.from({ length: 60 }, (_, index) => 10 + 5 * Math.sin(index / 6)),
    bytes_per_second: Array.from({ length: 60 }, () => 1100),
  },
  may: {
    'topic:Read': true,
    'topic:Write': true,
    'topic:Alter': true,
    'topic:DescribeConfigs': true,
    'topic:AlterConfigs': true,
    'topic:Delete': true,
  },
};
const groupDetail = {
  ...group,
  members: [
    {
      id: 'worker-1',
      instance_id: null,
      client_id: 'worker',
      host: '/127.0.0.1',
      share: [{ topic: 'flight_events', partitions: [0, 1, 2] }],
    },
  ],
  offsets: [0, 1, 2].map((partition) => ({
    topic: 'flight_events',
    partition,
    committed: 70,
    committed_at: ago(5),
    metadata: '',
    start: 0,
    end: 80,
    lag: 10,
    member: 'worker-1',
  })),
  may: { 'group:Read': true, 'group:Delete': true },
};

function page(asked) {
  const order = asked.get('order') === 'oldest' ? records : records.toReversed();
  const text = (asked.get('filter') ?? '').toLowerCase();
  const from = Number((asked.get('positions') ?? '0:0').split(':')[1]);
  const found = order.filter((record) => JSON.stringify(record).toLowerCase().includes(text));
  const end = from + Number(asked.get('limit') ?? 50);
  return { records: found.slice(from, end), next: `0:${end}`, more: end < found.length, scanned: records.length };
}

export function topicAnswer(path, asked) {
  if (path === '/topics') return { topics: [summary] };
  if (path === '/topics/flight_events') return detail;
  if (path === '/topics/flight_events/records') return page(asked);
  if (path === '/consumer-groups') return { groups: [group], has_more: false };
  return path === '/consumer-groups/delays' ? groupDetail : null;
}

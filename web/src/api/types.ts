// What the API answers; docs/api.md lists the calls.

export type RunState =
  | 'queued'
  | 'running'
  | 'waiting_retry'
  | 'succeeded'
  | 'unchanged'
  | 'failed'
  | 'cancelled'
  | 'waiting_approval'
  | 'waiting_items'
  | 'skipped';
export type NodeState = 'ok' | 'running' | 'waiting' | 'failed' | 'empty';
export type NodeKind = 'source' | 'raw' | 'table' | 'job' | 'dashboard' | 'system' | 'topic';
export type Cell = string | number | boolean | null | Cell[] | { [key: string]: Cell };

export interface Me {
  name: string;
  roles: string[];
  groups: string[];
  admin: boolean;
  has_password?: boolean;
  credential?: string;
}

export interface OverviewNode {
  id: string;
  kind: NodeKind;
  title: string;
  schema?: string;
  state: NodeState;
  rows?: number;
  bytes?: number;
  version?: string;
  updated_at?: string;
  note?: string;
  file?: string;
  task?: string;
  link?: string;
}
export interface GraphEdge {
  from: string;
  to: string;
}
export interface Attention {
  title: string;
  text: string;
  link: string;
}
export interface Overview {
  name: string;
  version: string;
  uptime_seconds: number;
  memory_bytes: number;
  nodes: OverviewNode[];
  edges: GraphEdge[];
  attention: Attention[];
}

export interface Dataset {
  schema: string;
  name: string;
  kind: 'table' | 'raw' | 'system' | string;
  description: string;
  owner: string;
  tags: string[];
  version: string;
  rows: number | null;
  bytes: number | null;
  updated_at: string | null;
  defined_in: string;
}
export interface DatasetColumn {
  name: string;
  type: string;
  nullable: boolean;
  description: string;
}
export interface DatasetCache {
  state: 'ready' | 'building' | 'waiting' | string;
  reason: string;
  version: string;
  rows: number | null;
  bytes: number | null;
  built_at: string | null;
  build_seconds: number;
  hits: number;
  misses: number;
}
export interface DatasetDetail extends Dataset {
  columns: DatasetColumn[];
  cache?: DatasetCache;
  sql?: string;
  problem?: string;
}
export interface DatasetVersion {
  version: string;
  committed_at: string;
  operation: string;
  principal: string;
  run_id: string;
  rows: number | null;
  rows_added: number | null;
  bytes: number | null;
  details: Cell;
}
export interface VersionInputs {
  inputs: { schema: string; name: string; version: string }[];
  objects: string[];
  run_id: string;
}
export interface LineageEdge extends GraphEdge {
  columns: { column: string; input_column: string }[];
}
export interface Lineage {
  nodes: { id: string; kind: NodeKind; version: string }[];
  edges: LineageEdge[];
}

export interface ResultColumn {
  name: string;
  type: string;
}
export interface TableRead {
  schema: string;
  name: string;
  version: string;
}
export interface Rows {
  columns: ResultColumn[];
  rows: Cell[][];
}
export interface SqlResult extends Rows {
  row_count: number;
  truncated: boolean;
  seconds: number;
  reads: TableRead[];
  statements: number;
}
export interface SqlWords {
  words: string[];
  relations: { schema: string; name: string; columns: string[] }[];
}

export interface Run {
  id: string;
  task: string;
  trigger: string;
  state: RunState;
  attempt: number;
  queued_at: string;
  started_at: string | null;
  ended_at: string | null;
  error: string;
  note: string;
  rows: number;
  version: string;
  warnings: string[];
  parameters: Record<string, string>;
  scheduled_for: string | null;
  approved_by: string;
  details: Record<string, unknown>; // numbers, by the kind of task: bytes, inserted, cpu_seconds
  late: boolean;
}
// What a run did from one moment to the next.
export interface RunPart {
  what: 'queued' | 'waiting_approval' | 'running' | 'waiting_retry' | 'waiting_outside' | 'waiting_items';
  from: string;
  to: string | null;
  attempt: number;
  why: string;
}
export interface RunDetail extends Run {
  parts: RunPart[];
  inputs: Record<string, string>; // dataset -> version
  after: Record<string, string>; // task -> run
}
export interface RunLine {
  number: number;
  at: string;
  text: string;
}
export interface RunLog {
  state: RunState;
  lines: RunLine[];
}
export interface RunDefinition {
  file: string;
  text: string;
  since_run: string;
}
export interface Task {
  id: string;
  kind: string;
  dataset: string;
  file: string;
  inputs: string[];
  after: string[];
  every_seconds: number | null;
  schedule: { cron: string; time_zone: string } | null;
  paused: boolean;
  pool: string;
  why: string;
  fresh: boolean;
  next_due: string | null;
  last: Run | null;
  current: Run | null;
}

export interface SourceStream {
  name: string;
  cursor: string;
  key: string | string[];
  every_seconds: number | null;
  dataset: string;
}
export interface Source {
  name: string;
  kind: string;
  description: string;
  file: string;
  streams: SourceStream[];
}
export interface QuarantineEntry {
  id: string;
  stream: string;
  kind: 'record' | 'file' | 'load';
  origin: string;
  record: number | null;
  reason: string;
  content: string;
  content_is_base64: boolean;
  since: string;
}
export interface SourceCheck {
  ok: boolean;
  message: string;
  hint?: string;
  steps: { name: string; ok: boolean; ms: number; note: string }[];
}

export interface DashboardSummary {
  use_case: string;
  name: string;
  title: string;
  description: string;
  owned_by: 'workspace' | 'api';
  file: string; // empty: made in the browser
  tiles?: number;
}
export interface DashboardFilter {
  name: string;
  kind: 'choice' | 'range' | 'dates' | 'search' | 'number' | 'date' | 'text';
  label: string;
  columns: string[]; // "schema.table.column"; none: a parameter
  values: string[];
  default: string;
}
export type TileKind =
  'number' | 'line' | 'area' | 'bar' | 'scatter' | 'table' | 'pivot' | 'heatmap' | 'funnel' | 'map' | 'text';
export interface TileLook {
  text?: string;
  format?: string | Record<string, string>;
  stack?: 'sum' | 'percent';
  direction?: 'up' | 'right';
  nulls?: 'zero';
  shapes?: string;
  shape_key?: string;
  width?: number;
  height?: number;
}
export interface Tile {
  index: number;
  kind: TileKind;
  title: string;
  sql: string;
  description: string;
  look: TileLook;
  reads: string[];
  dimensions: number[]; // columns whose values tell a mark
  filters: string[];
  line: number;
}
export interface Dashboard {
  use_case: string;
  name: string;
  title: string;
  description: string;
  time_zone: string; // empty: the viewer's
  refresh_seconds: number;
  owned_by: 'workspace' | 'api';
  file: string;
  text: string;
  hash: string;
  may_write?: boolean;
  filters: DashboardFilter[];
  tiles: Tile[];
  reports: string[]; // names
}
export type ReportRun = Pick<Run, 'id' | 'state' | 'queued_at' | 'ended_at' | 'error' | 'note'>;
export interface DashboardReport {
  name: string;
  task: string;
  format: 'pdf' | 'png' | 'csv';
  to: string[];
  as: string; // under whose rights it is made
  channel: string;
  chosen: [string, string][];
  cron: string | null;
  time_zone: string | null;
  every_seconds: number | null;
  paused: boolean;
  next_at: string | null;
  last: ReportRun | null; // also null where runs are not shown to the viewer
  current: ReportRun | null;
}
export interface TileColumn extends ResultColumn {
  source?: string; // "schema.table.column", where the column is that one as it is
}
export interface TileData extends Rows {
  columns: TileColumn[];
  reads: TableRead[];
  filters_applied: string[];
  filters_ignored: string[];
  sql: string;
  truncated?: boolean;
  time_zone: string;
  from_cache: boolean;
}
export interface DashboardIssue {
  line: number;
  column: number;
  message: string;
}
export interface DashboardPreview {
  issues: DashboardIssue[];
  dashboard: Dashboard;
}

export interface AuditEntry {
  sequence: number;
  time: string;
  phase: string;
  class?: string;
  call_id: string;
  principal: string;
  credential: string;
  remote: string;
  protocol: string;
  operation: string;
  action: string;
  resource: string;
  status: string;
  rows: number;
  bytes: number;
  duration_us: number;
  details: Cell;
}
export interface AuditPage {
  entries: AuditEntry[];
  damaged?: boolean | number;
  next_before: number | null;
}
export interface AuditReport {
  segments: number;
  records: number;
  issue_count: number;
  issues: { kind: string; segment: number; offset: number; sequence: number; message: string }[];
  dropped: { records: number; newest: string; rule: string; set_by: string; sequence: number; at: string } | null;
  head: { segment: number; offset: number; sequence: number; chain: string };
}

export interface Definition {
  kind: string;
  name: string;
  file: string;
  description: string;
  hash: string;
  text?: string;
}
export interface Issue {
  file: string;
  line: number;
  column: number;
  message: string;
}
export interface Workspace {
  name: string;
  directory: string;
  definitions: Definition[];
  issues: Issue[];
  applied_at?: string;
}
export interface Plan {
  steps: { change: string; kind: string; name: string; file: string; from?: string; note?: string }[];
  issues: Issue[];
}

export type HealthLevel = 'ok' | 'warning' | 'failing';

export interface ComponentHealth {
  component: string;
  healthy: boolean;
  level: HealthLevel;
  message?: string;
  hint?: string;
}
export interface Listed<T> {
  count: number; // the list holds at most a hundred of them
  list: T[];
}
export interface FailingTask {
  name: string;
  task: string;
  run: string;
  ended_at: string | null;
  error: string;
  runs_again: boolean;
}
export interface LateTask {
  name: string;
  task: string;
  dataset: string;
  run: string | null;
  since: string;
  why: string;
}
export interface FiringAlert {
  name: string;
  severity: string;
  text: string;
  count: number;
}
export interface Work {
  counts: Record<'running' | 'queued' | 'waiting_retry' | 'waiting_approval' | 'waiting_items', number>;
  complete: boolean;
  runs: (Pick<Run, 'id' | 'task' | 'state' | 'queued_at' | 'started_at' | 'note'> & { part: string })[];
}
// What the asker may not see is absent; what cannot be read is named in `unreadable`.
export interface PlatformStatus {
  level: HealthLevel;
  name: string;
  version: string;
  at: string;
  uptime_seconds: number;
  ready: boolean;
  components?: ComponentHealth[];
  memory?: { level: HealthLevel; used_bytes: number; budget_bytes: number | null; queries_bytes: number };
  disk?: { level: HealthLevel; used_bytes: number; left_bytes: number; warn_bytes: number; stop_bytes: number };
  backup?: {
    level: HealthLevel;
    schedule: { to: string; every: string } | null;
    last_success: string | null;
    message: string;
  };
  work?: Work;
  failing?: Listed<FailingTask>;
  late?: Listed<LateTask>;
  alerts?: Listed<FiringAlert>;
  unreadable: { section: string; message: string; hint: string }[];
}
export interface Delivery {
  name: string;
  task: string;
  from: string;
  to: string;
  key: string[];
}
export interface Destination {
  name: string;
  kind: string;
  description: string;
  owner: string;
  file: string;
  guarantee: string;
  tables: Delivery[];
}
export interface AlertInstance {
  fingerprint: string;
  labels: Record<string, string>;
  state: 'pending' | 'firing';
  since: string;
  fired_at: string | null;
  notified_at: string | null;
  value: number | null;
  text: string;
  silenced: boolean;
}
export interface Alert {
  name: string;
  file: string;
  kind: string;
  condition: string;
  severity: string;
  description: string;
  owner: string;
  runbook: string;
  notify: string[];
  state: 'not looked at yet' | 'ok' | 'pending' | 'firing';
  silenced: boolean;
  looked_at: string | null;
  error: string;
  instances: AlertInstance[];
}
export interface AlertEvent {
  sequence: number;
  at: string;
  alert: string;
  severity: string;
  change: string;
  labels: Record<string, string>;
  value: number | null;
  text: string;
}
export interface AlertMessage {
  id: string;
  channel: string;
  alert: string;
  status: string;
  state: 'waiting' | 'sent' | 'failed';
  attempts: number;
  created_at: string;
  error: string;
}
export interface Silence {
  id: string;
  alert: string;
  labels: Record<string, string>;
  comment: string;
  creator: string;
  until: string;
  ended_by: string;
  holds: boolean;
}
export interface Operation {
  protocol: string;
  name: string;
  action: string;
  resource: string;
  audit_class: string;
  body_bytes_max: number;
}

export interface User {
  name: string;
  roles: string[];
  groups: string[];
  has_password: boolean;
  created_at: string;
  last_login_at: string | null;
}
export interface Statement {
  actions: string[];
  resources: string[];
  line: number;
}
export interface Role {
  name: string;
  description: string;
  owner: string;
  file: string | null;
  members: string[];
  users: string[];
  allow: Statement[];
  deny: Statement[];
}
export interface Token {
  user: string;
  name: string;
  created_at: string;
  expires_at: string;
  last_used_at: string | null;
}
export interface NewToken {
  user: string;
  name: string;
  token: string;
  expires_at?: string;
}
export interface S3Key {
  user: string;
  access_key_id: string;
  description: string;
  created_at: string;
  last_used_at: string | null;
}
export interface NewS3Key {
  access_key_id: string;
  secret_access_key: string;
}
export interface SecretSummary {
  name: string;
  updated_at: string;
}
export interface Explanation {
  principal: string;
  action: string;
  resource: string;
  allowed: boolean;
  reason: string;
}

// ---- topics

export interface TopicSummary {
  name: string;
  partitions: number;
  records: number;
  bytes: number;
  records_per_second: number;
  bytes_per_second: number;
  cleanup_policy: string;
  created_at: string;
}
export interface TopicPartition {
  partition: number;
  start: number;
  end: number;
  records: number;
  bytes: number;
  newest_at: string | null;
}
export interface TopicSetting {
  name: string;
  value: string;
  default: string;
  is_set: boolean;
  type: string;
  allowed: string[];
  documentation: string;
}
export interface TopicReader {
  group: string;
  state: string;
  members: number;
  lag: number;
}
export interface TopicDetail extends Omit<TopicSummary, 'partitions'> {
  partitions: TopicPartition[];
  settings: TopicSetting[];
  groups: TopicReader[];
  throughput: {
    until: string | null;
    step_seconds: number;
    records_per_second: number[];
    bytes_per_second: number[];
  };
  may: Record<string, boolean>;
}
export interface RecordHeader {
  key: string;
  value: string | null;
  value_is_base64?: boolean;
  value_bytes?: number;
}
export interface TopicRecord {
  partition: number;
  offset: number;
  time: string | null;
  key: string | null;
  key_is_base64?: boolean;
  key_bytes?: number; // how long it is, where only its beginning is here
  value: string | null;
  value_is_base64?: boolean;
  value_bytes?: number;
  headers: RecordHeader[];
}
export interface RecordPage {
  records: TopicRecord[];
  next: string;
  more: boolean;
  scanned: number;
}
export interface NewRecord {
  key?: string;
  value?: string | null;
  partition?: number;
  headers?: { key: string; value: string }[];
}
export interface GroupSummary {
  group: string;
  state: string;
  protocol_type: string;
  protocol: string;
  members: number;
  topics: string[];
  lag: number;
}
export interface GroupMember {
  id: string;
  instance_id: string | null;
  client_id: string;
  host: string;
  share: { topic: string; partitions: number[] }[];
}
export interface GroupOffset {
  topic: string;
  partition: number;
  committed: number | null;
  committed_at: string | null;
  metadata: string;
  start: number;
  end: number;
  lag: number;
  member: string | null;
}
export interface GroupDetail extends Omit<GroupSummary, 'members'> {
  members: GroupMember[];
  offsets: GroupOffset[];
  may: Record<string, boolean>;
}
export interface SeekAnswer {
  offsets: { topic: string; partition: number; before: number | null; after: number }[];
}

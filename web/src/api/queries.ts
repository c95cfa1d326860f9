// The query layer: every read of the server is a hook here, every change a mutation that says what it makes stale.
import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type UseQueryResult,
} from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { arrived, call, get, path, post, put, query, remove } from './client';
import { forgetEarly } from './early';
import { events, type Liveness } from './events';
import type * as Api from './types';

// While the event stream is up it tells what changed; without it, pages ask again by themselves.
export function useLiveness(): Liveness {
  return useSyncExternalStore(events.subscribe, () => events.state);
}
function usePollMs(pollMs: number): number {
  return useLiveness() === 'live' ? 60_000 : pollMs;
}

export const useMe = (): UseQueryResult<Api.Me> =>
  useQuery({
    queryKey: ['me'],
    queryFn: ({ signal }) => get<Api.Me>('/me', signal),
    initialData: () => arrived<Api.Me>('/me'),
    staleTime: 60_000,
    retry: false,
  });

export function useOverview(): UseQueryResult<Api.Overview> {
  const refetchInterval = usePollMs(3000);
  return useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => get<Api.Overview>('/overview', signal),
    refetchInterval,
  });
}

// ---- catalog

export const useCatalog = (q = ''): UseQueryResult<Api.Dataset[]> =>
  useQuery({
    queryKey: ['catalog', 'list', q],
    queryFn: async ({ signal }) => (await get<{ datasets: Api.Dataset[] }>('/catalog' + query({ q }), signal)).datasets,
    placeholderData: keepPreviousData,
  });
export const useDataset = (schema: string, name: string): UseQueryResult<Api.DatasetDetail> =>
  useQuery({
    queryKey: ['catalog', 'one', schema, name],
    queryFn: ({ signal }) => get<Api.DatasetDetail>(path`/catalog/${schema}/${name}`, signal),
  });
export const useVersions = (schema: string, name: string): UseQueryResult<Api.DatasetVersion[]> =>
  useQuery({
    queryKey: ['catalog', 'versions', schema, name],
    queryFn: async ({ signal }) =>
      (await get<{ versions: Api.DatasetVersion[] }>(path`/catalog/${schema}/${name}/versions?limit=100`, signal))
        .versions,
  });
export const useLineage = (schema: string, name: string, depth: number): UseQueryResult<Api.Lineage> =>
  useQuery({
    queryKey: ['catalog', 'lineage', schema, name, depth],
    queryFn: ({ signal }) => get<Api.Lineage>(path`/catalog/${schema}/${name}/lineage?depth=${depth}`, signal),
    placeholderData: keepPreviousData,
  });
export const usePreview = (schema: string, name: string): UseQueryResult<Api.Rows> =>
  useQuery({
    queryKey: ['catalog', 'preview', schema, name],
    queryFn: ({ signal }) => get<Api.Rows>(path`/catalog/${schema}/${name}/preview?limit=200`, signal),
  });
export const useVersionInputs = (schema: string, name: string, version: string): UseQueryResult<Api.VersionInputs> =>
  useQuery({
    queryKey: ['catalog', 'inputs', schema, name, version],
    queryFn: ({ signal }) =>
      get<Api.VersionInputs>(path`/catalog/${schema}/${name}/versions/${version}/inputs`, signal),
    enabled: version !== '',
    retry: false,
  });

// Rows of an older version, read by SQL as anybody would read them.
export const useVersionRows = (sql: string): UseQueryResult<Api.Rows> =>
  useQuery({
    queryKey: ['version rows', sql],
    queryFn: ({ signal }) => post<Api.Rows>('/sql', { sql, limit: 20 }, signal),
    staleTime: Infinity, // a version never changes
    retry: false,
  });

// ---- SQL

export const useSqlWords = (): UseQueryResult<Api.SqlWords> =>
  useQuery({
    queryKey: ['sql', 'words'],
    queryFn: ({ signal }) => get<Api.SqlWords>('/sql/words', signal),
    staleTime: 60_000,
  });
export const runSql = (sql: string, id: string, limit: number): Promise<Api.SqlResult> =>
  post<Api.SqlResult>('/sql', { sql, id, limit });
export const cancelSql = (id: string): Promise<unknown> => post(path`/sql/${id}/cancel`);

// ---- runs

export interface RunQuestion {
  task: string;
  state: string;
  before: string;
  limit: number;
}
export function useRuns(question: RunQuestion): UseQueryResult<Api.Run[]> {
  const refetchInterval = usePollMs(3000);
  return useQuery({
    queryKey: ['runs', 'list', question],
    queryFn: async ({ signal }) => (await get<{ runs: Api.Run[] }>('/runs' + query({ ...question }), signal)).runs,
    refetchInterval,
    placeholderData: keepPreviousData,
  });
}
export const isUnderWay = (state: Api.RunState): boolean =>
  state === 'queued' ||
  state === 'running' ||
  state === 'waiting_retry' ||
  state === 'waiting_approval' ||
  state === 'waiting_items';
export const useRun = (id: string): UseQueryResult<Api.RunDetail> =>
  useQuery({
    queryKey: ['runs', 'one', id],
    queryFn: ({ signal }) => get<Api.RunDetail>(path`/runs/${id}` + '?log=no', signal),
    refetchInterval: ({ state }) => (state.data && isUnderWay(state.data.state) ? 1000 : false),
  });
// Runs that were there in a stretch of time, with what each did when.
export const kTimelineRunsMax = 1000;
export function useTimeline(since: string, until: string, live: boolean): UseQueryResult<Api.RunDetail[]> {
  const pollMs = usePollMs(3000);
  return useQuery({
    queryKey: ['runs', 'timeline', since, until],
    queryFn: async ({ signal }) =>
      (
        await get<{ runs: Api.RunDetail[] }>(
          '/runs' + query({ since, until, history: 'yes', limit: kTimelineRunsMax }),
          signal,
        )
      ).runs,
    refetchInterval: live ? pollMs : false,
    placeholderData: keepPreviousData,
  });
}
export const getRunLog = (id: string, after: number, signal?: AbortSignal): Promise<Api.RunLog> =>
  get<Api.RunLog>(path`/runs/${id}/log` + query({ after, limit: 1000 }), signal);
export const useRunDefinition = (id: string): UseQueryResult<Api.RunDefinition> =>
  useQuery({
    queryKey: ['run definition', id],
    queryFn: ({ signal }) => get<Api.RunDefinition>(path`/runs/${id}/definition`, signal),
    staleTime: Infinity,
    retry: false,
  });
export function useTasks(): UseQueryResult<Api.Task[]> {
  const refetchInterval = usePollMs(4000);
  return useQuery({
    queryKey: ['tasks'],
    queryFn: async ({ signal }) => (await get<{ tasks: Api.Task[] }>('/tasks', signal)).tasks,
    refetchInterval,
  });
}

// ---- sources, dashboards

export const useSources = (): UseQueryResult<Api.Source[]> =>
  useQuery({
    queryKey: ['sources'],
    queryFn: async ({ signal }) => (await get<{ sources: Api.Source[] }>('/sources', signal)).sources,
  });
export const useDestinations = (): UseQueryResult<Api.Destination[]> =>
  useQuery({
    queryKey: ['destinations'],
    queryFn: async ({ signal }) =>
      (await get<{ destinations: Api.Destination[] }>('/destinations', signal)).destinations,
  });
export const useQuarantine = (source: string): UseQueryResult<Api.QuarantineEntry[]> =>
  useQuery({
    queryKey: ['quarantine', source],
    queryFn: async ({ signal }) =>
      (await get<{ entries: Api.QuarantineEntry[] }>(path`/sources/${source}/quarantine`, signal)).entries,
  });
export const replayQuarantine = (source: string, stream: string): Promise<{ load: number; rows: number }> =>
  post(path`/sources/${source}/quarantine/replay`, { stream });
export const dropQuarantine = (source: string, stream: string): Promise<{ dropped: number }> =>
  post(path`/sources/${source}/quarantine/drop`, { stream });
export const checkSource = (name: string): Promise<Api.SourceCheck> =>
  post<Api.SourceCheck>(path`/sources/${name}/check`);

export const useDashboards = (): UseQueryResult<Api.DashboardSummary[]> =>
  useQuery({
    queryKey: ['dashboards', 'list'],
    queryFn: async ({ signal }) =>
      (await get<{ dashboards: Api.DashboardSummary[] }>('/dashboards', signal)).dashboards,
  });
export const useDashboard = (useCase: string, name: string): UseQueryResult<Api.Dashboard> =>
  useQuery({
    queryKey: ['dashboards', 'one', useCase, name],
    queryFn: ({ signal }) => get<Api.Dashboard>(path`/dashboards/${useCase}/${name}`, signal),
    initialData: () => arrived<Api.Dashboard>(path`/dashboards/${useCase}/${name}`),
  });
export const useReports = (dashboard: { use_case: string; name: string }): UseQueryResult<Api.DashboardReport[]> => {
  const pollMs = usePollMs(5_000);
  return useQuery({
    queryKey: ['dashboards', 'reports', dashboard.use_case, dashboard.name],
    queryFn: async ({ signal }) =>
      (
        await get<{ reports: Api.DashboardReport[] }>(
          path`/dashboards/${dashboard.use_case}/${dashboard.name}/reports`,
          signal,
        )
      ).reports,
    // A run under way is looked at until it has ended.
    refetchInterval: (query) => (query.state.data?.some((report) => report.current) ? 2_000 : pollMs),
  });
};
// `chosen`: the query string of filters and clicks. What is shown stays until the new is there.
export const useTile = (
  dashboard: Pick<Api.Dashboard, 'use_case' | 'name' | 'refresh_seconds'>,
  index: number,
  chosen: string,
  enabled = true,
): UseQueryResult<Api.TileData> => {
  const address = path`/dashboards/${dashboard.use_case}/${dashboard.name}/tiles/${index}` + chosen;
  return useQuery({
    enabled,
    queryKey: ['dashboards', 'tile', dashboard.use_case, dashboard.name, index, chosen],
    queryFn: ({ signal }) => get<Api.TileData>(address, signal),
    initialData: () => arrived<Api.TileData>(address),
    placeholderData: keepPreviousData,
    refetchInterval: dashboard.refresh_seconds > 0 ? dashboard.refresh_seconds * 1000 : false,
  });
};
export const useTileRows = (
  dashboard: { use_case: string; name: string },
  index: number,
  chosen: string,
  mark: string,
  enabled: boolean,
): UseQueryResult<Api.TileData> =>
  useQuery({
    enabled,
    queryKey: ['dashboards', 'rows', dashboard.use_case, dashboard.name, index, chosen, mark],
    queryFn: ({ signal }) =>
      get<Api.TileData>(
        path`/dashboards/${dashboard.use_case}/${dashboard.name}/tiles/${index}/rows` +
          (chosen === '' ? query({ mark }) : chosen + query({ mark }).replace('?', '&')),
        signal,
      ),
    retry: false,
  });
type Draft = Pick<Api.Dashboard, 'use_case' | 'name'> & { text: string };
// What a text would be as a dashboard, and what is wrong with it.
export const usePreviewOfDashboard = ({ use_case, name, text }: Draft): UseQueryResult<Api.DashboardPreview> =>
  useQuery({
    queryKey: ['dashboard draft', use_case, name, text],
    queryFn: ({ signal }) =>
      post<Api.DashboardPreview>(path`/dashboards/${use_case}/${name}/preview`, { text }, signal),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    retry: false,
  });
// A tile of a text, asked again only when `asked` (its SQL, the filters) is another.
export const useDraftTile = (draft: Draft, index: number, asked: string): UseQueryResult<Api.TileData> =>
  useQuery({
    enabled: asked !== '',
    queryKey: ['dashboard draft', draft.use_case, draft.name, 'tile', asked],
    queryFn: ({ signal }) =>
      post<Api.TileData>(
        path`/dashboards/${draft.use_case}/${draft.name}/preview` + query({ tile: index }),
        { text: draft.text },
        signal,
      ),
    retry: false,
  });
export const saveDashboard = ({ use_case, name, text }: Draft, match?: string): Promise<{ hash: string }> =>
  call('PUT', path`/dashboards/${use_case}/${name}`, { body: { text }, ...(match ? { match } : {}) });
export const deleteDashboard = (use_case: string, name: string): Promise<unknown> =>
  remove(path`/dashboards/${use_case}/${name}`);
export const useShapes = (
  dashboard: { use_case: string; name: string },
  shapes: string | undefined,
): UseQueryResult<unknown> =>
  useQuery({
    enabled: shapes !== undefined,
    queryKey: ['dashboards', 'shapes', dashboard.use_case, dashboard.name, shapes],
    queryFn: ({ signal }) =>
      get<unknown>(path`/dashboards/${dashboard.use_case}/${dashboard.name}/shapes/${shapes ?? ''}`, signal),
    staleTime: 60_000,
    retry: false,
  });
export const useFilterValues = (
  dashboard: { use_case: string; name: string },
  filter: string,
  enabled = true,
): UseQueryResult<Api.Cell[]> =>
  useQuery({
    enabled,
    queryKey: ['dashboards', 'filter', dashboard.use_case, dashboard.name, filter],
    queryFn: async ({ signal }) =>
      (
        await get<{ values: Api.Cell[] }>(
          path`/dashboards/${dashboard.use_case}/${dashboard.name}/filters/${filter}`,
          signal,
        )
      ).values,
    staleTime: 60_000,
  });

// ---- audit, workspace, status

export type AuditQuestion = Record<
  'principal' | 'action' | 'resource' | 'status' | 'since' | 'until' | 'before',
  string
>;
export const useAudit = (question: AuditQuestion): UseQueryResult<Api.AuditPage> =>
  useQuery({
    queryKey: ['audit', question],
    queryFn: ({ signal }) => get<Api.AuditPage>('/audit' + query({ ...question, limit: 100 }), signal),
    placeholderData: keepPreviousData,
  });
export const verifyAudit = (): Promise<Api.AuditReport> => get<Api.AuditReport>('/audit/verify');

export const useWorkspace = (): UseQueryResult<Api.Workspace> =>
  useQuery({ queryKey: ['workspace'], queryFn: ({ signal }) => get<Api.Workspace>('/workspace', signal) });
export const planWorkspace = (): Promise<Api.Plan> => post<Api.Plan>('/workspace/plan');
export const applyWorkspace = (): Promise<Api.Plan> => post<Api.Plan>('/workspace/apply');

export const useStatus = (): UseQueryResult<Api.PlatformStatus> =>
  useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => get<Api.PlatformStatus>('/status', signal),
    refetchInterval: 5000,
  });
export const useOperations = (): UseQueryResult<Api.Operation[]> =>
  useQuery({
    queryKey: ['operations'],
    queryFn: async ({ signal }) => (await get<{ operations: Api.Operation[] }>('/operations', signal)).operations,
    staleTime: Infinity,
  });

// ---- alerts

const alertList = <T>(key: string, address: string, member: string) =>
  function useList(): UseQueryResult<T[]> {
    return useQuery({
      queryKey: ['alerts', key],
      queryFn: async ({ signal }) => (await get<Record<string, T[]>>(address, signal))[member] ?? [],
      refetchInterval: 3000,
    });
  };
export const useAlerts = alertList<Api.Alert>('list', '/alerts', 'alerts');
export const useSilences = alertList<Api.Silence>('silences', '/alerts/silences', 'silences');
export const useAlertHistory = alertList<Api.AlertEvent>('history', '/alerts/history?limit=50', 'events');
export const useAlertMessages = alertList<Api.AlertMessage>('messages', '/alerts/messages?limit=20', 'messages');
export const alerting = {
  silence: (body: { alert: string; for: string; comment: string }) => post<Api.Silence>('/alerts/silences', body),
  unsilence: (id: string) => remove(path`/alerts/silences/${id}`),
  test: (name: string) =>
    post<{ messages: { channel: string; sent: boolean; error: string }[] }>(path`/alerts/${name}/test`),
};

// ---- topics and consumer groups

const kTopicsPollMs = 3000;

export const useTopics = (enabled = true): UseQueryResult<Api.TopicSummary[]> =>
  useQuery({
    enabled,
    queryKey: ['topics', 'list'],
    queryFn: async ({ signal }) => (await get<{ topics: Api.TopicSummary[] }>('/topics', signal)).topics,
    refetchInterval: kTopicsPollMs,
  });
export const useTopic = (name: string): UseQueryResult<Api.TopicDetail> =>
  useQuery({
    queryKey: ['topics', 'one', name],
    queryFn: ({ signal }) => get<Api.TopicDetail>(path`/topics/${name}`, signal),
    refetchInterval: kTopicsPollMs,
  });
export interface RecordQuestion {
  topic: string;
  order: 'newest' | 'oldest';
  partition: string;
  filter: string;
  offset: string;
  time: string;
}
export const useRecords = ({ topic, ...question }: RecordQuestion, enabled: boolean) =>
  useInfiniteQuery({
    enabled,
    queryKey: ['topics', 'records', topic, question],
    queryFn: ({ pageParam, signal }) => {
      const { order, partition, filter } = question;
      const asked = pageParam ? { order, filter, positions: pageParam } : question;
      return get<Api.RecordPage>(
        path`/topics/${topic}/records` + query({ ...asked, limit: 100, ...(pageParam ? {} : { partition }) }),
        signal,
      );
    },
    initialPageParam: '',
    getNextPageParam: (last) => (last.more ? last.next : undefined),
    refetchOnWindowFocus: false,
    staleTime: 0,
  });
// The whole of one record, up to a megabyte of it.
export const useRecord = (
  topic: string,
  at: { partition: number; offset: number } | undefined,
): UseQueryResult<Api.TopicRecord | null> =>
  useQuery({
    enabled: at !== undefined,
    queryKey: ['topics', 'record', topic, at?.partition, at?.offset],
    queryFn: async ({ signal }) => {
      const where = { order: 'oldest', partition: at!.partition, offset: at!.offset, limit: 1, shown_bytes: 1 << 20 };
      const page = await get<Api.RecordPage>(path`/topics/${topic}/records` + query(where), signal);
      return page.records.find((record) => record.offset === at!.offset) ?? null;
    },
    staleTime: Infinity,
  });
export const useGroups = (): UseQueryResult<Api.GroupSummary[]> =>
  useQuery({
    queryKey: ['topics', 'groups'],
    queryFn: async ({ signal }) => (await get<{ groups: Api.GroupSummary[] }>('/consumer-groups', signal)).groups,
    refetchInterval: kTopicsPollMs,
  });
export const useGroup = (id: string): UseQueryResult<Api.GroupDetail> =>
  useQuery({
    queryKey: ['topics', 'group', id],
    queryFn: ({ signal }) => get<Api.GroupDetail>(path`/consumer-groups/${id}`, signal),
    refetchInterval: kTopicsPollMs,
  });
export const topics = {
  create: (name: string, partitions: number, settings: Record<string, string>) =>
    put<Api.TopicSummary>(path`/topics/${name}`, { partitions, settings }),
  remove: (name: string) => remove<{ deleted_records: number }>(path`/topics/${name}`),
  change: (name: string, set: Record<string, string>, reset: string[]) =>
    post<{ settings: Api.TopicSetting[] }>(path`/topics/${name}/settings`, { set, reset }),
  addPartitions: (name: string, partitions: number) => post(path`/topics/${name}/partitions`, { partitions }),
  deleteRecords: (name: string, partition: number, before: number) =>
    post<{ deleted_records: number }>(path`/topics/${name}/delete-records`, { partition, before }),
  produce: (name: string, records: Api.NewRecord[]) =>
    post<{ places: { partition: number; offset: number }[] }>(path`/topics/${name}/records`, { records }),
  tailPath: (name: string, partition: string, filter: string) =>
    '/api/v1' + path`/topics/${name}/tail` + query({ partition, filter }),
  seek: (group: string, body: Record<string, unknown>) =>
    post<Api.SeekAnswer>(path`/consumer-groups/${group}/seek`, body),
  removeGroup: (group: string) => remove(path`/consumer-groups/${group}`),
};

// ---- people and keys

const listOf = <T>(key: string, address: string, member: string) =>
  function useList(enabled = true): UseQueryResult<T[]> {
    return useQuery({
      enabled,
      queryKey: ['access', key],
      queryFn: async ({ signal }) => (await get<Record<string, T[]>>(address, signal))[member] ?? [],
    });
  };
export const useUsers = listOf<Api.User>('users', '/users', 'users');
export const useRoles = listOf<Api.Role>('roles', '/roles', 'roles');
export const useTokens = listOf<Api.Token>('tokens', '/tokens', 'tokens');
export const useS3Keys = listOf<Api.S3Key>('s3-keys', '/s3-keys', 's3_keys');
export const useSecrets = listOf<Api.SecretSummary>('secrets', '/secrets', 'secrets');

export const access = {
  createUser: (body: { name: string; password?: string; roles: string[] }) => post<Api.User>('/users', body),
  deleteUser: (name: string) => remove(path`/users/${name}`),
  setPassword: (name: string, password: string, current: string) =>
    put(path`/users/${name}/password`, { password, ...(current ? { current_password: current } : {}) }),
  grantRole: (name: string, role: string) => post(path`/users/${name}/roles`, { role }),
  revokeRole: (name: string, role: string) => remove(path`/users/${name}/roles/${role}`),
  createToken: (name: string, ttl: string) => post<Api.NewToken>('/tokens', ttl ? { name, ttl } : { name }),
  deleteToken: (name: string) => remove(path`/tokens/${name}`),
  createS3Key: (description: string) => post<Api.NewS3Key>('/s3-keys', { description }),
  deleteS3Key: (id: string) => remove(path`/s3-keys/${id}`),
  setSecret: (name: string, value: string) => put(path`/secrets/${name}`, { value }),
  deleteSecret: (name: string) => remove(path`/secrets/${name}`),
  explain: (principal: string, action: string, resource: string) =>
    post<Api.Explanation>('/policy/explain', { principal, action, resource }),
};

// ---- changes

// A change and the queries it makes stale.
export function useChange<Input, Answer>(change: (input: Input) => Promise<Answer>, ...stale: string[]) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () => Promise.all(stale.map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}
export const startRuns = (target: string): Promise<{ runs: string[] }> => post('/runs', { target });
export const cancelRun = (id: string): Promise<unknown> => post(path`/runs/${id}/cancel`);
export const approveRun = (id: string): Promise<unknown> => post(path`/runs/${id}/approve`);
export const retryRun = (id: string): Promise<{ runs: string[] }> => post(path`/runs/${id}/retry`);
function asAnother<T>(path: string, body: unknown): Promise<T> {
  forgetEarly();
  return post<T>(path, body);
}
export const login = (user: string, password: string): Promise<Api.Me> =>
  asAnother<Api.Me>('/login', { user, password });
export const loginByLink = (token: string): Promise<Api.Me> => asAnother<Api.Me>('/login/link', { token });
export const logout = (): Promise<unknown> => asAnother('/logout', {});

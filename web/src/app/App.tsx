// The providers, the routes, and who may see them.
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Redirect, Route, Switch, useLocation } from 'wouter';
import { ApiError } from '../api/client';
import { rememberLogin } from '../api/early';
import { events } from '../api/events';
import { useMe } from '../api/queries';
import { fetchCharts } from '../design/chart';
import { later } from '../design/later';
import { Page } from '../design/page';
import { Empty, ErrorState, Loading } from '../design/states';
import { theme, variables } from '../design/theme';
import { LoginPage } from '../pages/login/LoginPage';
import { Boundary } from './Boundary';
import { Shell } from './Shell';

const kFetchAheadMs = 1500;

const loading = (
  <div className="page">
    <Loading />
  </div>
);
const HomePage = later(() => import('../pages/home/HomePage'), loading);
const CatalogPage = later(() => import('../pages/catalog/CatalogPage'), loading);
const DatasetPage = later(() => import('../pages/catalog/DatasetPage'), loading);
const TopicsPage = later(() => import('../pages/topics/TopicsPage'), loading);
const TopicPage = later(() => import('../pages/topics/TopicPage'), loading);
const GroupPage = later(() => import('../pages/topics/GroupPage'), loading);
const SqlPage = later(() => import('../pages/sql/SqlPage'), loading);
const DashboardsPage = later(() => import('../pages/dashboards/DashboardsPage'), loading);
const DashboardPage = later(() => import('../pages/dashboards/DashboardPage'), loading);
const RunsPage = later(() => import('../pages/runs/RunsPage'), loading);
const RunPage = later(() => import('../pages/runs/RunPage'), loading);
const ComparePage = later(() => import('../pages/runs/ComparePage'), loading);
const SourcesPage = later(() => import('../pages/sources/SourcesPage'), loading);
const WorkspacePage = later(() => import('../pages/workspace/WorkspacePage'), loading);
const AuditPage = later(() => import('../pages/audit/AuditPage'), loading);
const AccessPage = later(() => import('../pages/access/AccessPage'), loading);
const AlertsPage = later(() => import('../pages/alerts/AlertsPage'), loading);
const StatusPage = later(() => import('../pages/status/StatusPage'), loading);
const kPages = [
  HomePage,
  CatalogPage,
  DatasetPage,
  TopicsPage,
  TopicPage,
  GroupPage,
  SqlPage,
  DashboardsPage,
  DashboardPage,
  RunsPage,
  RunPage,
  ComparePage,
  SourcesPage,
  WorkspacePage,
  AuditPage,
  AccessPage,
  AlertsPage,
  StatusPage,
];
// A dashboard's code comes while it is asked who is there: it is what people open by a link.
if (/^\/dashboards\/./.test(location.pathname)) {
  void DashboardPage.fetchAhead();
  void fetchCharts();
}

// Once the first page stands, the others are fetched while nothing else is to be done: going there takes no wait.
function fetchAhead(): () => void {
  const timer = window.setTimeout(async () => {
    for (const page of kPages) await page.fetchAhead();
  }, kFetchAheadMs);
  return () => window.clearTimeout(timer);
}

const isLoggedOut = (error: unknown): boolean => error instanceof ApiError && error.status === 401;

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // A session that ended anywhere is found out here: asking who we are leads to the login page.
    onError: (error, query) => {
      if (isLoggedOut(error) && query.queryKey[0] !== 'me') void client.invalidateQueries({ queryKey: ['me'] });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 2000,
      retry: (count, error) => count < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 500),
      refetchOnWindowFocus: true,
    },
  },
});

const schemes = localStorageColorSchemeManager({ key: 'tarn.scheme' });

function NotFound() {
  const [location] = useLocation();
  return (
    <Page title="Nothing here">
      <Empty title={`There is no page ${location}`}>Press Ctrl-K to find tables, dashboards, runs and pages.</Empty>
    </Page>
  );
}

function Pages() {
  const [location] = useLocation();
  return (
    <Boundary key={location}>
      <Switch>
        <Route path="/" component={HomePage} />
        <Route path="/catalog" component={CatalogPage} />
        <Route path="/catalog/:schema/:name">{({ schema, name }) => <DatasetPage schema={schema} name={name} />}</Route>
        <Route path="/topics" component={TopicsPage} />
        <Route path="/topics/groups/:id">{({ id }) => <GroupPage key={id} id={id} />}</Route>
        <Route path="/topics/:name">{({ name }) => <TopicPage key={name} name={name} />}</Route>
        <Route path="/sql" component={SqlPage} />
        <Route path="/dashboards" component={DashboardsPage} />
        <Route path="/dashboards/:useCase/:name">
          {({ useCase, name }) => <DashboardPage useCase={useCase} name={name} />}
        </Route>
        <Route path="/runs" component={RunsPage} />
        <Route path="/runs/compare" component={ComparePage} />
        <Route path="/runs/:id">{({ id }) => <RunPage id={id} />}</Route>
        <Route path="/sources" component={SourcesPage} />
        <Route path="/workspace" component={WorkspacePage} />
        <Route path="/audit" component={AuditPage} />
        <Route path="/access" component={AccessPage} />
        <Route path="/alerts" component={AlertsPage} />
        <Route path="/status" component={StatusPage} />
        <Route component={NotFound} />
      </Switch>
    </Boundary>
  );
}

function LoggedIn() {
  useEffect(() => events.start(client), []);
  useEffect(fetchAhead, []);
  return (
    <Shell>
      <Pages />
    </Shell>
  );
}

// Who is not logged in goes to the login page and comes back to where they were.
function Gate() {
  const me = useMe();
  const isThere = me.data !== undefined;
  const isGone = me.isError && isLoggedOut(me.error);
  useEffect(() => {
    if (isThere || isGone) rememberLogin(!isGone);
  }, [isThere, isGone]);
  if (isGone) {
    const here = window.location.pathname + window.location.search;
    return <Redirect to={here === '/' ? '/login' : `/login?next=${encodeURIComponent(here)}`} replace />;
  }
  if (me.data) return <LoggedIn />;
  return (
    <div className="alone">
      {me.isError ? <ErrorState error={me.error} retry={() => void me.refetch()} /> : <Loading lines={3} />}
    </div>
  );
}

export function App() {
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      colorSchemeManager={schemes}
      deduplicateCssVariables={false}
    >
      <Notifications position="bottom-right" autoClose={4000} />
      <QueryClientProvider client={client}>
        <Switch>
          <Route path="/login" component={LoginPage} />
          <Route component={Gate} />
        </Switch>
      </QueryClientProvider>
    </MantineProvider>
  );
}

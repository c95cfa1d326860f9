// The providers, the routes, and who may see them.
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { lazy, Suspense, useEffect } from 'react';
import { Redirect, Route, Switch, useLocation } from 'wouter';
import { ApiError } from '../api/client';
import { events } from '../api/events';
import { useMe } from '../api/queries';
import { Page } from '../design/page';
import { Empty, ErrorState, Loading } from '../design/states';
import { theme, variables } from '../design/theme';
import { LoginPage } from '../pages/login/LoginPage';
import { Boundary } from './Boundary';
import { Shell } from './Shell';

const kFetchAheadMs = 1500;

const load = {
  HomePage: () => import('../pages/home/HomePage'),
  CatalogPage: () => import('../pages/catalog/CatalogPage'),
  DatasetPage: () => import('../pages/catalog/DatasetPage'),
  SqlPage: () => import('../pages/sql/SqlPage'),
  DashboardsPage: () => import('../pages/dashboards/DashboardsPage'),
  DashboardPage: () => import('../pages/dashboards/DashboardPage'),
  RunsPage: () => import('../pages/runs/RunsPage'),
  RunPage: () => import('../pages/runs/RunPage'),
  ComparePage: () => import('../pages/runs/ComparePage'),
  SourcesPage: () => import('../pages/sources/SourcesPage'),
  WorkspacePage: () => import('../pages/workspace/WorkspacePage'),
  AuditPage: () => import('../pages/audit/AuditPage'),
  AccessPage: () => import('../pages/access/AccessPage'),
  AlertsPage: () => import('../pages/alerts/AlertsPage'),
  StatusPage: () => import('../pages/status/StatusPage'),
};
// A dashboard's code comes while it is asked who is there: it is what people open by a link.
if (/^\/dashboards\/./.test(location.pathname)) void load.DashboardPage().catch(() => undefined);

const HomePage = lazy(load.HomePage);
const CatalogPage = lazy(load.CatalogPage);
const DatasetPage = lazy(load.DatasetPage);
const SqlPage = lazy(load.SqlPage);
const DashboardsPage = lazy(load.DashboardsPage);
const DashboardPage = lazy(load.DashboardPage);
const RunsPage = lazy(load.RunsPage);
const RunPage = lazy(load.RunPage);
const ComparePage = lazy(load.ComparePage);
const SourcesPage = lazy(load.SourcesPage);
const WorkspacePage = lazy(load.WorkspacePage);
const AuditPage = lazy(load.AuditPage);
const AccessPage = lazy(load.AccessPage);
const AlertsPage = lazy(load.AlertsPage);
const StatusPage = lazy(load.StatusPage);

// Once the first page stands, the others are fetched while nothing else is to be done: going there takes no wait.
function fetchAhead(): () => void {
  const later = window.setTimeout(async () => {
    for (const next of Object.values(load)) {
      await next().catch(() => undefined); // one that fails is asked for again when it is needed
    }
  }, kFetchAheadMs);
  return () => window.clearTimeout(later);
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
      <Suspense
        fallback={
          <div className="page">
            <Loading />
          </div>
        }
      >
        <Switch>
          <Route path="/" component={HomePage} />
          <Route path="/catalog" component={CatalogPage} />
          <Route path="/catalog/:schema/:name">
            {({ schema, name }) => <DatasetPage schema={schema} name={name} />}
          </Route>
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
      </Suspense>
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
  if (me.isError && isLoggedOut(me.error)) {
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

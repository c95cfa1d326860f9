// Alerts: what is wrong, who was told, what holds it back, and what was.
import { Button } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'wouter';
import { alerting, useAlertHistory, useAlertMessages, useAlerts, useChange, useSilences } from '../../api/queries';
import type { Alert, AlertEvent, AlertInstance, AlertMessage, Silence } from '../../api/types';
import { ConfirmButton } from '../../design/confirm';
import { formatCount, formatExact, plural } from '../../design/format';
import { Facts, Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';
import { SilenceForm } from './SilenceForm';

interface Wrong {
  alert: Alert;
  instance: AlertInstance;
}
const kWorst = ['critical', 'warning', 'info'];

export function wrongOf(alerts: Alert[]): Wrong[] {
  const all = alerts.flatMap((alert) => alert.instances.map((instance): Wrong => ({ alert, instance })));
  const weight = ({ alert, instance }: Wrong) =>
    (instance.silenced ? 100 : 0) + (instance.state === 'firing' ? 0 : 10) + kWorst.indexOf(alert.severity);
  return all.sort((a, b) => weight(a) - weight(b) || a.instance.since.localeCompare(b.instance.since));
}

const labelText = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');

function WrongNow({ wrong, onSilence }: { wrong: Wrong[]; onSilence: (name: string) => void }) {
  if (wrong.length === 0) return <Empty title="Nothing is wrong">No rule finds anything now.</Empty>;
  return (
    <Table
      label="What is wrong now"
      rows={wrong}
      keyOf={({ alert, instance }) => `${alert.name} ${instance.fingerprint}`}
      columns={[
        {
          key: 'state',
          title: 'State',
          cell: ({ instance }) => (
            <Status
              name={instance.state}
              {...(instance.silenced ? { word: `${instance.state}, silenced` } : {})}
              plain={instance.silenced}
            />
          ),
        },
        { key: 'severity', title: 'Severity', cell: ({ alert }) => alert.severity },
        { key: 'alert', title: 'Alert', data: true, cell: ({ alert }) => alert.name },
        {
          key: 'text',
          title: 'What',
          wide: true,
          cell: ({ instance }) => (
            <span title={`${instance.text}\n${labelText(instance.labels)}`}>{instance.text}</span>
          ),
        },
        { key: 'since', title: 'Since', cell: ({ instance }) => <Ago time={instance.since} /> },
        { key: 'told', title: 'Told', narrow: true, cell: ({ instance }) => <Ago time={instance.notified_at} /> },
        {
          key: 'do',
          title: '',
          cell: ({ alert }) => (
            <span className="row" style={{ flexWrap: 'nowrap' }}>
              {alert.runbook && (
                <a href={alert.runbook} target="_blank" rel="noreferrer noopener">
                  What to do
                </a>
              )}
              <Button
                variant="subtle"
                h={28}
                aria-label={`Silence ${alert.name}`}
                onClick={() => onSilence(alert.name)}
              >
                Silence
              </Button>
            </span>
          ),
        },
      ]}
    />
  );
}

const kStates = { 'not looked at yet': 'waiting', ok: 'ok', pending: 'pending', firing: 'firing' } as const;

interface Tested {
  name: string;
  error: string; // empty: all were sent
}

function TestButton({ alert, onDone }: { alert: Alert; onDone: (tested: Tested) => void }) {
  const test = useChange(() => alerting.test(alert.name), 'alerts');
  const send = () =>
    test.mutate(undefined, {
      onError: (error) => onDone({ name: alert.name, error: error.message }),
      onSuccess: ({ messages }) => {
        const failed = messages.filter((message) => !message.sent);
        onDone({ name: alert.name, error: failed.map((one) => `${one.channel}: ${one.error}`).join('; ') });
      },
    });
  return (
    <Button
      variant="subtle"
      h={28}
      loading={test.isPending}
      disabled={alert.notify.length === 0}
      aria-label={`Send a test of ${alert.name}`}
      onClick={send}
    >
      Test
    </Button>
  );
}

function TestSaid({ tested }: { tested: Tested }) {
  if (tested.error === '') {
    return (
      <p className="pad" role="status">
        <Status name="succeeded" word="sent" /> The test of {tested.name} was taken by every channel.
      </p>
    );
  }
  return (
    <div className="pad">
      <ErrorState
        error={`The test of ${tested.name} was not taken by every channel. ${tested.error}`}
        advice="Change the channel, apply the workspace, and test again."
      />
    </div>
  );
}

function Rules({ alerts, onSilence }: { alerts: Alert[]; onSilence: (name: string) => void }) {
  const [tested, setTested] = useState<Tested | null>(null);
  return (
    <>
      {tested && <TestSaid tested={tested} />}
      <Table
        label="Rules"
        rows={alerts}
        keyOf={(alert) => alert.name}
        columns={[
          {
            key: 'state',
            title: 'State',
            cell: (alert) => <Status name={kStates[alert.state]} word={alert.state} />,
          },
          {
            key: 'name',
            title: 'Alert',
            data: true,
            cell: (alert) => <Link href={`/workspace?file=${encodeURIComponent(alert.file)}`}>{alert.name}</Link>,
          },
          { key: 'severity', title: 'Severity', narrow: true, cell: (alert) => alert.severity },
          {
            key: 'condition',
            title: 'Wrong is',
            wide: true,
            narrow: true,
            cell: (alert) => (
              <span className="soft" title={alert.condition}>
                {alert.description || alert.condition}
              </span>
            ),
          },
          { key: 'notify', title: 'Tells', narrow: true, cell: (alert) => alert.notify.join(', ') || 'nobody' },
          { key: 'looked', title: 'Looked', narrow: true, cell: (alert) => <Ago time={alert.looked_at} /> },
          { key: 'test', title: '', cell: (alert) => <TestButton alert={alert} onDone={setTested} /> },
          {
            key: 'silence',
            title: '',
            cell: (alert) => (
              <Button
                variant="subtle"
                h={28}
                aria-label={`Silence the rule ${alert.name}`}
                onClick={() => onSilence(alert.name)}
              >
                Silence
              </Button>
            ),
          },
        ]}
      />
    </>
  );
}

function Silences({ silences }: { silences: Silence[] }) {
  const end = useChange((id: string) => alerting.unsilence(id), 'alerts');
  if (silences.length === 0) return <Empty title="Nothing is silenced" command="tarn alert silence NAME --for 2h" />;
  return (
    <>
      {end.error && <ErrorState error={end.error} />}
      <Table
        label="Silences"
        rows={silences}
        keyOf={(silence) => silence.id}
        columns={[
          { key: 'alert', title: 'Alert', data: true, cell: (silence) => silence.alert },
          { key: 'labels', title: 'Only', data: true, narrow: true, cell: (silence) => labelText(silence.labels) },
          { key: 'until', title: 'Until', cell: (silence) => formatExact(silence.until) },
          { key: 'who', title: 'By', cell: (silence) => silence.creator },
          { key: 'why', title: 'Why', wide: true, narrow: true, cell: (silence) => silence.comment },
          {
            key: 'end',
            title: '',
            cell: (silence) =>
              silence.holds ? (
                <ConfirmButton
                  label="End"
                  title={`End the silence of ${silence.alert}`}
                  onConfirm={() => end.mutate(silence.id)}
                >
                  What still fires is told at the next look.
                </ConfirmButton>
              ) : (
                <span className="faint small">{silence.ended_by ? `ended by ${silence.ended_by}` : 'over'}</span>
              ),
          },
        ]}
      />
    </>
  );
}

function History({ events }: { events: AlertEvent[] }) {
  if (events.length === 0) return <Empty title="Nothing happened yet" />;
  return (
    <Table
      label="History"
      rows={events}
      keyOf={(event) => String(event.sequence)}
      columns={[
        { key: 'at', title: 'When', cell: (event) => <Ago time={event.at} /> },
        { key: 'change', title: 'Became', cell: (event) => <Status name={event.change} plain /> },
        { key: 'alert', title: 'Alert', data: true, cell: (event) => event.alert },
        {
          key: 'text',
          title: 'What',
          wide: true,
          cell: (event) => <span title={labelText(event.labels)}>{event.text}</span>,
        },
      ]}
    />
  );
}

const kMessageStates = { waiting: 'waiting_retry', sent: 'succeeded', failed: 'failed' } as const;

function Messages({ messages }: { messages: AlertMessage[] }) {
  if (messages.length === 0) return <Empty title="No messages yet" command="tarn alert test NAME" />;
  return (
    <Table
      label="Messages"
      rows={messages}
      keyOf={(message) => message.id}
      columns={[
        { key: 'at', title: 'When', cell: (message) => <Ago time={message.created_at} /> },
        {
          key: 'state',
          title: 'State',
          cell: (message) => <Status name={kMessageStates[message.state]} word={message.state} plain />,
        },
        { key: 'alert', title: 'Alert', data: true, cell: (message) => `${message.alert} ${message.status}` },
        { key: 'channel', title: 'Channel', cell: (message) => message.channel },
        { key: 'error', title: 'What went wrong', wide: true, narrow: true, cell: (message) => message.error },
      ]}
    />
  );
}

export default function AlertsPage() {
  const alerts = useAlerts();
  const silences = useSilences();
  const history = useAlertHistory();
  const messages = useAlertMessages();
  const [silencing, setSilencing] = useState<string | null>(null);
  const list = alerts.data ?? [];
  const wrong = wrongOf(list);
  const firing = wrong.filter(({ instance }) => instance.state === 'firing' && !instance.silenced).length;
  return (
    <Page
      title="Alerts"
      status={
        alerts.data &&
        list.length > 0 && (
          <Status
            name={firing > 0 ? 'firing' : 'healthy'}
            word={firing > 0 ? `${formatCount(firing)} firing` : 'quiet'}
          />
        )
      }
      subtitle="Rules over metrics, SQL, freshness and runs: what they find wrong, and who is told."
      behind={{ api: '/alerts' }}
      action={<Button onClick={() => setSilencing('')}>Silence</Button>}
    >
      {silencing !== null && <SilenceForm alert={silencing} onClose={() => setSilencing(null)} />}
      <Loaded query={alerts}>
        {(found) =>
          found.length === 0 ? (
            <Empty title="No alerts" command="tarn apply">
              Write rules and channels into alerts/NAME.yaml, for example: rules: failed: runs: tasks: ["*"]
            </Empty>
          ) : (
            <>
              <Facts
                facts={[
                  ['Rules', formatCount(found.length)],
                  ['Firing', formatCount(firing)],
                  ['Pending', formatCount(wrong.filter(({ instance }) => instance.state === 'pending').length)],
                  ['Silenced', formatCount(wrong.filter(({ instance }) => instance.silenced).length)],
                ]}
              />
              <Section title="Wrong now" note={wrong.length ? plural(wrong.length, 'thing') : undefined}>
                <WrongNow wrong={wrong} onSilence={setSilencing} />
              </Section>
              <Section title="Rules">
                <Rules alerts={found} onSilence={setSilencing} />
              </Section>
            </>
          )
        }
      </Loaded>
      <Section title="Silences" note="what is silenced stands in the history, but nobody is told">
        <Loaded query={silences}>{(found) => <Silences silences={found} />}</Loaded>
      </Section>
      <Section title="History">
        <Loaded query={history}>{(found) => <History events={found} />}</Loaded>
      </Section>
      <Section title="Messages" note="the newest; one that can’t be sent is tried again">
        <Loaded query={messages}>{(found) => <Messages messages={found} />}</Loaded>
      </Section>
    </Page>
  );
}

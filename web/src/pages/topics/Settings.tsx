// A topic's settings under Kafka's names, with what they mean; those that were set can be put back.
import { Button, Modal, Select, Switch, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { topics, useChange } from '../../api/queries';
import type { TopicDetail, TopicSetting } from '../../api/types';
import { Empty, ErrorState } from '../../design/states';
import { Table } from '../../design/table';

function Edit({ topic, setting, onClose }: { topic: string; setting: TopicSetting; onClose: () => void }) {
  const [value, setValue] = useState(setting.value);
  const change = useChange(
    (reset: boolean) => topics.change(topic, reset ? {} : { [setting.name]: value }, reset ? [setting.name] : []),
    'topics',
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate(false, { onSuccess: onClose });
  };
  const isChoice = setting.type === 'boolean' || (setting.type === 'text' && setting.allowed.length > 0);
  return (
    <Modal opened onClose={onClose} title={setting.name}>
      <form className="stack wide-gap" onSubmit={submit}>
        <p>{setting.documentation}</p>
        {isChoice ? (
          <Select
            label="Value"
            data={setting.type === 'boolean' ? ['true', 'false'] : setting.allowed}
            value={value}
            allowDeselect={false}
            onChange={(chosen) => setValue(chosen ?? setting.value)}
          />
        ) : (
          <TextInput
            label="Value"
            description={setting.allowed.length > 0 ? `Of ${setting.allowed.join(', ')}` : `A ${setting.type}`}
            data-autofocus
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
        )}
        <span className="faint">The default is {setting.default === '' ? 'nothing' : setting.default}.</span>
        {change.error && <ErrorState error={change.error} />}
        <div className="row">
          {setting.is_set && (
            <Button variant="default" onClick={() => change.mutate(true, { onSuccess: onClose })}>
              Back to the default
            </Button>
          )}
          <span className="grow" />
          <Button variant="default" onClick={onClose}>
            Leave it
          </Button>
          <Button type="submit" loading={change.isPending}>
            Set it
          </Button>
        </div>
      </form>
    </Modal>
  );
}

const isOfNoEffect = (setting: TopicSetting): boolean => setting.documentation.startsWith('Of no effect');

export function Settings({ topic }: { topic: TopicDetail }) {
  const [edited, setEdited] = useState('');
  const [all, setAll] = useState(false);
  const may = topic.may['topic:AlterConfigs'] === true;
  const shown = topic.settings.filter((setting) => all || setting.is_set || !isOfNoEffect(setting));
  const setting = topic.settings.find((each) => each.name === edited);
  if (!topic.may['topic:DescribeConfigs'])
    return (
      <Empty title="You may not see its settings">
        Ask an administrator for topic:DescribeConfigs on {topic.name}: see Access, “May I?”.
      </Empty>
    );
  return (
    <>
      <div className="row pad">
        <span className="faint grow">
          Changes hold at once.{may ? '' : ' You may not change them: topic:AlterConfigs is missing.'}
        </span>
        <Switch
          label="Also those of no effect"
          checked={all}
          onChange={(event) => setAll(event.currentTarget.checked)}
        />
      </div>
      {setting && <Edit topic={topic.name} setting={setting} onClose={() => setEdited('')} />}
      <Table
        label="Settings"
        rows={shown}
        keyOf={(row) => row.name}
        {...(may ? { onOpen: (row: TopicSetting) => setEdited(row.name) } : {})}
        columns={[
          { key: 'name', title: 'Setting', data: true, cell: (row) => row.name },
          {
            key: 'value',
            title: 'Value',
            data: true,
            cell: (row) => (row.is_set ? <strong>{row.value}</strong> : <span className="soft">{row.value}</span>),
          },
          { key: 'set', title: 'From', narrow: true, cell: (row) => (row.is_set ? 'set' : 'default') },
          { key: 'what', title: 'What it does', wide: true, narrow: true, cell: (row) => row.documentation },
        ]}
      />
    </>
  );
}

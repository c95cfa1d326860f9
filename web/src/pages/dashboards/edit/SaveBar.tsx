// How an edited dashboard is kept: one made in the browser is saved; of one that a file of the workspace defines, the
// text is taken along into the file (only `apply` changes it), or saved as a copy.
import { Button, Modal, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { ApiError } from '../../../api/client';
import { deleteDashboard, saveDashboard } from '../../../api/queries';
import type { Dashboard } from '../../../api/types';
import { ConfirmButton } from '../../../design/confirm';
import { CopyButton, CopyLine } from '../../../design/copy';
import { Difference } from '../../../design/Difference';
import { ErrorState } from '../../../design/states';

interface SaveBarProps {
  dashboard: Dashboard;
  text: string;
  hasIssues: boolean;
  onDone: () => void;
  children: ReactNode;
}

function download(text: string, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function TakeAlong({ dashboard, text, onClose }: { dashboard: Dashboard; text: string; onClose: () => void }) {
  const file = dashboard.file || `use_cases/${dashboard.use_case}/${dashboard.name}.dashboard.yaml`;
  return (
    <Modal opened onClose={onClose} title="As a file of the workspace" size={900}>
      <div className="stack wide-gap">
        <p>
          Put this into <code>{file}</code>, then apply the workspace. Lines that you did not change are as they were.
        </p>
        <Difference before={dashboard.text} after={text} />
        <CopyLine text="tarn plan && tarn apply" />
        <div className="row">
          <CopyButton text={() => text}>Copy the file</CopyButton>
          <Button variant="default" onClick={() => download(text, file.split('/').at(-1)!)}>
            Download
          </Button>
        </div>
      </div>
    </Modal>
  );
}

function SaveCopy({ dashboard, text, onClose }: { dashboard: Dashboard; text: string; onClose: () => void }) {
  const [name, setName] = useState(`${dashboard.name}_copy`);
  const [error, setError] = useState<unknown>(null);
  const [, navigate] = useLocation();
  const client = useQueryClient();
  const save = async () => {
    try {
      await saveDashboard({ use_case: dashboard.use_case, name, text });
      await client.invalidateQueries({ queryKey: ['dashboards'] });
      navigate(`/dashboards/${dashboard.use_case}/${name}`);
    } catch (caught) {
      setError(caught);
    }
  };
  return (
    <Modal opened onClose={onClose} title="Save a copy">
      <form
        className="stack wide-gap"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <TextInput label="Name" data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} />
        {error !== null && <ErrorState error={error} />}
        <div className="row">
          <Button type="submit">Save the copy</Button>
        </div>
      </form>
    </Modal>
  );
}

export function SaveBar({ dashboard, text, hasIssues, onDone, children }: SaveBarProps) {
  const [shown, setShown] = useState<'file' | 'copy' | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [pending, setPending] = useState(false);
  const client = useQueryClient();
  const isOwn = dashboard.owned_by === 'api';
  const isChanged = text !== dashboard.text;
  const save = async () => {
    setPending(true);
    setError(null);
    try {
      await saveDashboard({ use_case: dashboard.use_case, name: dashboard.name, text }, dashboard.hash);
      await client.invalidateQueries({ queryKey: ['dashboards'] });
      onDone();
    } catch (caught) {
      setError(caught);
    }
    setPending(false);
  };
  const [, navigate] = useLocation();
  const remove = async () => {
    try {
      await deleteDashboard(dashboard.use_case, dashboard.name);
      navigate('/dashboards');
      await client.invalidateQueries({ queryKey: ['dashboards'] });
    } catch (caught) {
      setError(caught);
    }
  };
  const isConflict = error instanceof ApiError && error.code === 'conflict';
  return (
    <div className="save-bar">
      <div className="row">
        {children}
        <span className="grow" />
        {isOwn && (
          <Button loading={pending} disabled={!isChanged || hasIssues} onClick={() => void save()}>
            Save
          </Button>
        )}
        <Button variant={isOwn ? 'default' : 'filled'} disabled={!isOwn && !isChanged} onClick={() => setShown('file')}>
          As a file
        </Button>
        <Button variant="default" disabled={hasIssues} onClick={() => setShown('copy')}>
          Save a copy
        </Button>
        {isOwn && (
          <ConfirmButton
            title={`Delete the dashboard ${dashboard.title}`}
            label="Delete"
            onConfirm={() => void remove()}
          >
            Its tiles and filters are lost. “As a file” keeps them.
          </ConfirmButton>
        )}
        <Button variant="subtle" onClick={onDone}>
          {isChanged ? 'Discard' : 'Done'}
        </Button>
      </div>
      {error !== null && (
        <ErrorState
          error={error}
          {...(isConflict
            ? { advice: 'Your change is still here: save it as a copy, or copy it and load the page again.' }
            : {})}
        />
      )}
      {shown === 'file' && <TakeAlong dashboard={dashboard} text={text} onClose={() => setShown(null)} />}
      {shown === 'copy' && <SaveCopy dashboard={dashboard} text={text} onClose={() => setShown(null)} />}
    </div>
  );
}

// Asks before something is lost, and names it.
import { Button, Modal } from '@mantine/core';
import { useState, type ReactNode } from 'react';

export interface ConfirmProps {
  title: string; // what will happen: "Delete the token ci"
  children: ReactNode; // what is lost
  label: string; // of the button that opens it
  pending?: boolean;
  onConfirm: () => void;
}

export function ConfirmButton({ title, children, label, pending = false, onConfirm }: ConfirmProps) {
  const [opened, setOpened] = useState(false);
  return (
    <>
      <Button
        variant="subtle"
        className="quiet-danger"
        h={28}
        loading={pending}
        onClick={() => setOpened(true)}
        aria-label={title}
      >
        {label}
      </Button>
      <Modal opened={opened} onClose={() => setOpened(false)} title={title}>
        <div className="stack wide-gap">
          <div>{children}</div>
          <div className="row" style={{ justifyContent: 'flex-end' }}>
            <Button variant="default" data-autofocus onClick={() => setOpened(false)}>
              Keep it
            </Button>
            <Button
              className="danger"
              onClick={() => {
                setOpened(false);
                onConfirm();
              }}
            >
              {title}
            </Button>
          </div>
        </div>
      </Modal>
    </>
  );
}

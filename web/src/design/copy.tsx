// Copying to the clipboard, also where the page was not opened over TLS.
import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { useState } from 'react';
import { Icon } from './icons';

export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

function useCopied(text: string | (() => string)): [boolean, () => void] {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    void copyText(typeof text === 'string' ? text : text()).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    });
  };
  return [copied, copy];
}

export function CopyIcon({ text, label }: { text: string; label: string }) {
  const [copied, copy] = useCopied(text);
  return (
    <Tooltip label={copied ? 'Copied' : label}>
      <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={label}>
        <Icon name={copied ? 'check' : 'copy'} size={16} />
      </ActionIcon>
    </Tooltip>
  );
}

export function CopyButton({ text, children }: { text: () => string; children: string }) {
  const [copied, copy] = useCopied(text);
  return (
    <Button variant="default" onClick={copy} leftSection={<Icon name={copied ? 'check' : 'copy'} size={16} />}>
      {copied ? 'Copied' : children}
    </Button>
  );
}

// A command or a key that can be copied.
export function CopyLine({ text, label = 'Copy' }: { text: string; label?: string }) {
  return (
    <div className="copy-line">
      <code>{text}</code>
      <CopyIcon text={text} label={label} />
    </div>
  );
}

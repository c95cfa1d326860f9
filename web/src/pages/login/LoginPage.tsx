// Login by a one-time link (/login#link=SECRET, as `tarn up` prints it) or by user and password.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { login, loginByLink } from '../../api/queries';
import type { Me } from '../../api/types';
import { CopyLine } from '../../design/copy';
import { ErrorState } from '../../design/states';

// The secret is taken out of the address at once, so that it stays in no history.
function takeLink(): string | null {
  const found = new URLSearchParams(window.location.hash.slice(1)).get('link');
  const asked = new URLSearchParams(window.location.search).get('link');
  if (found ?? asked) window.history.replaceState(null, '', '/login');
  return found ?? asked;
}

function safeNext(next: string | null): string {
  return next?.startsWith('/') && !next.startsWith('//') ? next : '/';
}

export function LoginPage() {
  const [parameters] = useSearchParams();
  const [, navigate] = useLocation();
  const client = useQueryClient();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const next = safeNext(parameters.get('next'));
  const enter = (me: Me) => {
    client.clear();
    client.setQueryData(['me'], me);
    navigate(next, { replace: true });
  };
  const byPassword = useMutation({ mutationFn: () => login(user, password), onSuccess: enter });
  const byLink = useMutation({ mutationFn: loginByLink, onSuccess: enter });
  const { mutate: enterByLink } = byLink;
  const started = useRef(false);
  useEffect(() => {
    document.title = 'Log in · Tarn';
    if (started.current) return;
    started.current = true;
    const link = takeLink();
    if (link) enterByLink(link);
  }, [enterByLink]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    byPassword.mutate();
  };
  return (
    <main className="login">
      <form className="login-card" onSubmit={submit}>
        <img src="/favicon.svg" alt="" width={40} height={40} />
        <h1>Tarn</h1>
        <p className="subtitle">{byLink.isPending ? 'The link is being checked…' : 'Log in to your data platform.'}</p>
        {byLink.error && <ErrorState error={byLink.error} />}
        {byPassword.error && (
          <ErrorState error={byPassword.error} advice="Try again; after several failures it takes longer each time." />
        )}
        <TextInput
          label="User"
          value={user}
          onChange={(event) => setUser(event.target.value)}
          autoComplete="username"
          autoFocus
          required
        />
        <PasswordInput
          label="Password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          autoComplete="current-password"
          required
        />
        <Button type="submit" loading={byPassword.isPending || byLink.isPending} fullWidth>
          Log in
        </Button>
        <div className="login-help">
          <p>No password yet? The program prints a link that logs you in once:</p>
          <CopyLine text="tarn login-link" />
        </div>
      </form>
    </main>
  );
}

// A component whose code is fetched when it is first wanted. Not React's lazy: after a fallback that holds back for
// 300 ms what has come meanwhile, so that a page in a page waits twice.
import { useEffect, useState, type ComponentType, type ReactNode } from 'react';

export interface Later<Props> {
  (props: Props): ReactNode;
  fetchAhead: () => Promise<void>; // one that fails is fetched again when it is needed
}

export function later<Props extends object>(
  fetch: () => Promise<{ default: ComponentType<Props> }>,
  fallback: ReactNode | ((props: Props) => ReactNode),
): Later<Props> {
  let Fetched: ComponentType<Props> | null = null;
  const load = async () => {
    Fetched ??= (await fetch()).default;
  };
  function Shown(props: Props): ReactNode {
    const [isHere, setHere] = useState(Fetched !== null);
    const [failure, setFailure] = useState<Error | null>(null);
    useEffect(() => {
      if (isHere) return;
      let isGone = false;
      load().then(
        () => !isGone && setHere(true),
        (error: unknown) => !isGone && setFailure(error instanceof Error ? error : new Error(String(error))),
      );
      return () => {
        isGone = true;
      };
    }, [isHere]);
    if (failure) throw failure; // for the Boundary around it
    if (Fetched) return <Fetched {...props} />;
    return typeof fallback === 'function' ? fallback(props) : fallback;
  }
  return Object.assign(Shown, { fetchAhead: () => load().catch(() => undefined) });
}

// Keys that work on every page: `g` and a letter, Ctrl-K, `/`, `?`.
import { useEffect } from 'react';
import { useLocation } from 'wouter';
import { places } from './places';

const kChordMs = 1200;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('input,textarea,select,[contenteditable="true"],.cm-editor') !== null;

export function useKeys(openFinder: () => void, openHelp: () => void): void {
  const [, navigate] = useLocation();
  useEffect(() => {
    let chordUntil = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        openFinder();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (performance.now() < chordUntil) {
        chordUntil = 0;
        const place = places.find((each) => each.key === event.key);
        if (place) navigate(place.href);
      } else if (event.key === 'g') {
        chordUntil = performance.now() + kChordMs;
      } else if (event.key === '/') {
        event.preventDefault();
        openFinder();
      } else if (event.key === '?') {
        openHelp();
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [navigate, openFinder, openHelp]);
}

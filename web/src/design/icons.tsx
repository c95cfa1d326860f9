// The UI's own icons: 20 px, one stroke width, drawn in the colour of the text beside them.
const kPaths = {
  home: 'M3 9.5 10 4l7 5.5V16a1 1 0 0 1-1 1h-4v-5H8v5H4a1 1 0 0 1-1-1z',
  table: 'M3 4.5h14v11H3zM3 8.5h14M8 8.5v7',
  raw:
    'M4 5.5c0-1.1 2.7-2 6-2s6 .9 6 2-2.7 2-6 2-6-.9-6-2zM4 5.5v9c0 1.1 2.7 2 6 2s6-.9 6-2v-9' +
    'M4 10c0 1.1 2.7 2 6 2s6-.9 6-2',
  topic: 'M3 5.5h9M3 10h14M3 14.5h6M15 5.5h2M12 14.5h5',
  code: 'M7 6 3 10l4 4M13 6l4 4-4 4',
  dashboard: 'M3 17V3M3 17h14M7 14v-4M11 14V6M15 14V9',
  runs: 'M6.5 4.5v11l9-5.5z',
  source: 'M7 3v4M13 3v4M5 7h10v3a5 5 0 0 1-10 0zM10 15v3',
  folder: 'M3 5.5A1 1 0 0 1 4 4.5h4l2 2h6a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1z',
  audit: 'M5 3h7l3 3v11H5zM12 3v3h3M7.5 10h5M7.5 13h5',
  access: 'M10 3l6 2.2v4.3c0 3.6-2.5 6.3-6 7.5-3.5-1.2-6-3.9-6-7.5V5.2zM7.5 10l1.8 1.8L12.8 8',
  bell: 'M5 14h10l-1.2-2V8.500a3.800 3.800 0 0 0-7.600 0V12zM8.500 16.500a1.700 1.700 0 0 0 3 0',
  health: 'M2.5 10.5H6l2-5 3.5 9 2-4h4',
  search: 'M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12zM13.5 13.5 17 17',
  system:
    'M10 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM10 3v2.2M10 14.8V17M3 10h2.2M14.8 10H17M5 5l1.6 1.6' +
    'M13.4 13.4 15 15M15 5l-1.6 1.6M6.6 13.4 5 15',
  sun:
    'M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.4 1.4' +
    'M14.3 14.3l1.4 1.4M15.7 4.3l-1.4 1.4M5.7 14.3l-1.4 1.4',
  moon: 'M16.5 12A6.8 6.8 0 0 1 8 3.5a6.8 6.8 0 1 0 8.5 8.5z',
  copy: 'M7 7h9v10H7zM4 13V3h9',
  check: 'M4 10.5 8 14.5 16 5.5',
  cross: 'M5 5l10 10M15 5 5 15',
  ring: 'M10 16a6 6 0 1 0 0-12 6 6 0 0 0 0 12z',
  running: 'M10 4a6 6 0 1 1-6 6',
  clock: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4l2.5 2',
  equal: 'M4 8h12M4 12h12',
  warning: 'M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.2v.3',
  left: 'M12.5 4.5 7 10l5.5 5.5',
  right: 'M7.5 4.5 13 10l-5.5 5.5',
  down: 'M4.5 7.5 10 13l5.5-5.5',
  more: 'M4.5 10h.01M10 10h.01M15.5 10h.01',
  lineage: 'M3 4.5h4v3H3zM3 12.5h4v3H3zM13 8.5h4v3h-4zM7 6h2.5c2 0 1 4 3.5 4M7 14h2.5c2 0 1-4 3.5-4',
  user: 'M10 10a3.2 3.2 0 1 0 0-6.4A3.2 3.2 0 0 0 10 10zM4 16.8c.6-3 3-4.6 6-4.6s5.400 1.600 6 4.600',
  retry: 'M15.500 6.500A6.500 6.500 0 1 0 16.500 10M16.500 3.500v3.500H13',
  download: 'M10 3.500v9M6 9l4 4 4-4M4 16.500h12',
  stop: 'M5.500 5.500h9v9h-9z',
  panel: 'M3 4h14v12H3zM7.500 4v12',
  out: 'M8 4H4v12h4M8 10h9M13.500 6.500 17 10l-3.500 3.500',
} as const;

export type IconName = keyof typeof kPaths;

export function Icon({ name, size = 18, spin = false }: { name: IconName; size?: number; spin?: boolean }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === 'more' ? 2.6 : 1.6}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={spin ? 'icon spin' : 'icon'}
    >
      <path d={kPaths[name]} />
    </svg>
  );
}

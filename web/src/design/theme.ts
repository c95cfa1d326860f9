// Mantine's theme, from the tokens of tokens.css.
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const kLake: MantineColorsTuple = [
  '#e3f3f2',
  '#c6e6e4',
  '#9bd3d0',
  '#6cbfba',
  '#45aaa6',
  '#2a9490',
  '#157e7c',
  '#0b6468',
  '#084d50',
  '#05393b',
];

// The library's own greys, in the hue of the tokens.
const kGray: MantineColorsTuple = [
  '#f3f6f6',
  '#eef2f2',
  '#dbe3e3',
  '#cfd9d9',
  '#b9c7c7',
  '#8fa1a1',
  '#5f7272',
  '#4c5f5e',
  '#2c3b3a',
  '#14211f',
];
const kDark: MantineColorsTuple = [
  '#e4edec',
  '#a9bab9',
  '#8b9d9c',
  '#5b6d6f',
  '#3a4c51',
  '#243236',
  '#182326',
  '#131c1f',
  '#0f1719',
  '#0c1315',
];

export const theme = createTheme({
  primaryColor: 'lake',
  primaryShade: { light: 7, dark: 4 },
  colors: { lake: kLake, gray: kGray, dark: kDark },
  autoContrast: true,
  luminanceThreshold: 0.32,
  fontFamily: 'var(--font-text)',
  fontFamilyMonospace: 'var(--font-data)',
  fontSizes: { xs: '12px', sm: '14px', md: '14px', lg: '20px', xl: '20px' },
  spacing: { xs: '4px', sm: '8px', md: '16px', lg: '24px', xl: '32px' },
  radius: { xs: '4px', sm: '6px', md: '6px', lg: '8px', xl: '8px' },
  defaultRadius: 'sm',
  focusRing: 'auto',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: 'xs', fz: 14, fw: 600, h: 32 } },
    TextInput: { defaultProps: { size: 'xs' } },
    PasswordInput: { defaultProps: { size: 'xs' } },
    Select: { defaultProps: { size: 'xs', comboboxProps: { shadow: 'md' } } },
    SegmentedControl: { defaultProps: { size: 'xs' } },
    Tabs: { defaultProps: { keepMounted: false } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: false, fz: 12 } },
    Drawer: {
      defaultProps: {
        transitionProps: { duration: 120 },
        position: 'right',
        size: 560,
        overlayProps: { opacity: 0.25 },
        padding: 'lg',
        closeButtonProps: { 'aria-label': 'Close' },
      },
    },
    Modal: {
      defaultProps: {
        transitionProps: { duration: 100 },
        overlayProps: { opacity: 0.35 },
        centered: true,
        padding: 'lg',
        closeButtonProps: { 'aria-label': 'Close' },
      },
    },
  },
});

const kVariables = {
  '--mantine-color-body': 'var(--ground)',
  '--mantine-color-text': 'var(--ink)',
  '--mantine-color-dimmed': 'var(--ink-soft)',
  '--mantine-color-placeholder': 'var(--ink-faint)',
  '--mantine-color-anchor': 'var(--accent)',
  '--mantine-color-default': 'var(--surface)',
  '--mantine-color-default-hover': 'var(--surface-sunk)',
  '--mantine-color-default-color': 'var(--ink)',
  '--mantine-color-default-border': 'var(--line-strong)',
  '--mantine-color-error': 'var(--failed)',
  '--mantine-primary-color-filled': 'var(--accent)',
  '--mantine-primary-color-filled-hover': 'var(--accent-strong)',
  '--mantine-primary-color-contrast': 'var(--accent-ink)',
  '--mantine-color-lake-filled': 'var(--accent)',
  '--mantine-color-lake-filled-hover': 'var(--accent-strong)',
  '--mantine-color-lake-light': 'var(--accent-soft)',
  '--mantine-color-lake-light-color': 'var(--accent)',
};

export const variables: CSSVariablesResolver = () => ({ variables: {}, light: kVariables, dark: kVariables });

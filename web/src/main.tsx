import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './design/tokens.css';
import './design/base.css';
import './design/page.css';
import './design/parts.css';
import './design/dashboards.css';
import './design/runs.css';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';

createRoot(document.getElementById('root')!).render(<App />);

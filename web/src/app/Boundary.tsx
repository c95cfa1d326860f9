// Keeps the rest of the UI standing when a page breaks.
import { Component, type ReactNode } from 'react';
import { ErrorState } from '../design/states';

export class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <div className="page">
        <ErrorState error={this.state.error} retry={() => window.location.reload()} />
      </div>
    );
  }
}

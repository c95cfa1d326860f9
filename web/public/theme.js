// Sets the colour scheme before the first paint; a file of its own because inline scripts are forbidden.
(function () {
  var scheme = 'auto';
  try {
    scheme = localStorage.getItem('tarn.scheme') || 'auto';
  } catch {
    // Storage may be switched off: then the system's scheme holds.
  }
  var dark = scheme === 'dark' || (scheme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();

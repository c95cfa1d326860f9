// Runs before everything else; a file of its own because inline scripts are forbidden.

// The colour scheme, before the first paint.
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

// What the page will ask first is asked while its code is still on the way; src/api/early.ts takes the answers, each
// once. Nothing is asked for somebody who is not logged in: where it is not known (nobody was, when this browser was
// here last), who is there is asked first.
(function () {
  var kKeptMs = 10000;
  var kOwn = ['tile', 'mark', 'edit', 'full', 'view', 'time_zone']; // of src/pages/dashboards/chosen.ts
  if (location.pathname === '/login') return;
  var answers = new Map(); // path -> {status: 0 while it is under way, text, done, settle, isTaken}
  var tiles = null; // {before, after} of their paths, while they arrive

  function entryOf(path) {
    var entry = answers.get(path);
    if (entry) return entry;
    entry = { status: 0, text: '', isTaken: false };
    entry.done = new Promise(function (settle) {
      entry.settle = settle;
    });
    answers.set(path, entry);
    return entry;
  }
  function settle(entry, status, text) {
    entry.status = status;
    entry.text = text;
    entry.settle(status === 0 ? undefined : entry); // without an answer, whoever wants it asks again and says so
  }
  async function ask(path) {
    var entry = entryOf(path);
    try {
      var response = await fetch('/api/v1' + path, { credentials: 'same-origin' });
      settle(entry, response.status, await response.text());
    } catch {
      settle(entry, 0, '');
    }
    return entry.status;
  }

  // A line: {"index":0,"status":200,"answer":{...}}
  function onTile(line) {
    var head = /^\{"index":(\d+),"status":(\d+),"answer":/.exec(line);
    if (head) settle(entryOf(tiles.before + head[1] + tiles.after), Number(head[2]), line.slice(head[0].length, -1));
  }
  async function askTiles(path) {
    var question = new URLSearchParams(
      [...new URLSearchParams(location.search)].filter(function (pair) {
        return !kOwn.includes(pair[0]);
      }),
    );
    question.set('time_zone', Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC');
    tiles = { before: path + '/tiles/', after: '?' + question.toString() };
    try {
      var response = await fetch('/api/v1' + path + '/tiles' + tiles.after, { credentials: 'same-origin' });
      var pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
      var rest = '';
      for (var piece = await pieces.read(); response.ok && !piece.done; piece = await pieces.read()) {
        var lines = (rest + piece.value).split('\n');
        rest = lines.pop();
        lines.forEach(onTile);
      }
    } catch {
      // Those that have not come are asked for one by one.
    }
    for (var [key, entry] of answers) if (key.startsWith(tiles.before) && entry.status === 0) settle(entry, 0, '');
    tiles = null;
  }

  async function askAll() {
    var isKnown = false;
    try {
      isKnown = localStorage.getItem('tarn.here') === 'yes';
    } catch {
      // As above.
    }
    var me = ask('/me');
    if (!isKnown && (await me) !== 200) return;
    var at = /^\/dashboards\/([^/]+)\/([^/]+)$/.exec(location.pathname);
    if (!at) return;
    var names = [at[1], at[2]].map(function (name) {
      return encodeURIComponent(decodeURIComponent(name));
    });
    var path = '/dashboards/' + names.join('/');
    void ask(path);
    if (!new URLSearchParams(location.search).has('edit')) void askTiles(path);
  }

  window.tarnEarly = {
    take: function (path) {
      var isComing = tiles && path.startsWith(tiles.before) && path.endsWith(tiles.after);
      var entry = isComing ? entryOf(path) : answers.get(path);
      if (!entry || entry.isTaken) return undefined;
      entry.isTaken = true;
      return entry;
    },
    peek: function (path) {
      return answers.get(path);
    },
  };
  setTimeout(function () {
    window.tarnEarly = undefined;
  }, kKeptMs);
  askAll().catch(function () {}); // an address that cannot be decoded
})();

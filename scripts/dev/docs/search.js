// The search box: names.js holds [name, kind, page, summary] of every entry.
// Names that begin with what was typed come first, then names that contain it,
// then summaries.
(function () {
  var box = document.getElementById("search");
  var found = document.getElementById("found");
  var pages = document.getElementById("pages");
  var base = document.body.dataset.base;
  var chosen = 0;

  function rank(item, words) {
    var name = item[0].toLowerCase();
    var last = name.replace(/^.*[.:]/, "");
    var joined = words.join(" ");
    if (last === joined || name === joined) return 0;
    if (last.indexOf(joined) === 0) return 1;
    if (name.indexOf(joined) >= 0) return 2;
    var text = name + " " + item[3].toLowerCase();
    for (var i = 0; i < words.length; i++) {
      if (text.indexOf(words[i]) < 0) return -1;
    }
    return 3;
  }

  function results(query) {
    var words = query.toLowerCase().split(/\s+/).filter(Boolean);
    var list = [];
    NAMES.forEach(function (item, i) {
      var r = rank(item, words);
      if (r >= 0) list.push([r, item[0].length, i]);
    });
    list.sort(function (a, b) {
      return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
    });
    return list.slice(0, 40).map(function (entry) { return NAMES[entry[2]]; });
  }

  function choose(step) {
    var items = found.querySelectorAll("li");
    if (items.length === 0) return;
    if (items[chosen]) items[chosen].classList.remove("chosen");
    chosen = Math.max(0, Math.min(items.length - 1, chosen + step));
    items[chosen].classList.add("chosen");
    items[chosen].scrollIntoView({ block: "nearest" });
  }

  function show() {
    var query = box.value.trim();
    found.textContent = "";
    found.hidden = query === "";
    pages.hidden = query !== "";
    if (query === "") return;
    var list = results(query);
    list.forEach(function (item) {
      var line = document.createElement("li");
      var link = document.createElement("a");
      var summary = document.createElement("small");
      link.href = base + item[2];
      link.textContent = item[0];
      summary.textContent = item[3];
      link.appendChild(summary);
      line.appendChild(link);
      found.appendChild(line);
    });
    if (list.length === 0) {
      var none = document.createElement("li");
      none.className = "none";
      none.textContent = "nothing found";
      found.appendChild(none);
    }
    chosen = 0;
    choose(0);
  }

  box.addEventListener("input", show);
  box.addEventListener("keydown", function (event) {
    if (event.key === "ArrowDown") choose(1);
    else if (event.key === "ArrowUp") choose(-1);
    else if (event.key === "Escape") { box.value = ""; show(); }
    else if (event.key === "Enter") {
      var link = found.querySelector("li.chosen a");
      if (link) location.href = link.href;
    } else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && document.activeElement !== box) {
      box.focus();
      event.preventDefault();
    }
  });
})();

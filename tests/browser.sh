# shellcheck shell=sh disable=SC2034
# browser.sh -- looks at a page in headless Chromium. Sourced; everything is written to the folder one is in then.

browser=$(command -v chromium-headless-shell || command -v chromium) || {
  printf 'skip: no chromium (package chromium-headless-shell)\n'
  exit 77
}
failed=0

# checked PAGE SCRIPT: checked.html, which is PAGE with a script before its own that counts errors, and SCRIPT behind them,
# which adds to `wrong` whatever is. At its end the title says what that is.
checked() {
  cat >before.html <<'EOF'
<script>
var wrong = [];
addEventListener("error", (e) => wrong.push(e.message));
addEventListener("securitypolicyviolation", (e) => wrong.push("loads " + e.blockedURI));
</script>
EOF
  {
    printf '<script>\n'
    cat "$2"
    cat <<'EOF'
if (document.documentElement.scrollWidth > innerWidth) {
  wrong.push("wider than the screen by " + (document.documentElement.scrollWidth - innerWidth));
  for (const e of document.querySelectorAll("body *"))
    if (e.getBoundingClientRect().right > innerWidth && !e.parentNode.closest(".scroll, pre, .neighbours > div"))
      wrong.push("wider than the screen: " + e.tagName + " " + e.className + " " + e.textContent.slice(0, 60));
}
if (window.hacked || document.querySelector("img, svg[onload], h1 script")) wrong.push("a text became more than text");
if (document.documentElement.dataset.drawn !== "yes") wrong.push("the page's scripts did not reach their end");
document.title = "checked: " + (wrong.length ? wrong.join("; ") : "good");
</script>
EOF
  } >behind.html
  sed -e '/<meta charset/r before.html' -e '/^<\/body>/{
r behind.html
N
}' "$1" >checked.html
}

# look NAME WIDTH [OPTION ...]: NAME.html is what the page became, NAME.log what the browser says. failed=1 when anything is
# wrong.
look() {
  name=$1 width=$2; shift 2
  "$browser" --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$PWD/chromium" --window-size="$width,4000" \
    --enable-logging=stderr --dump-dom "$@" "file://$PWD/checked.html" >"$name.html" 2>"$name.log"
  title=$(grep -o '<title>checked: [^<]*' "$name.html" | head -n 1)
  console=$(grep CONSOLE "$name.log")
  printf '%s: %s\n' "$name" "${title#<title>}"
  if [ "$title" != "<title>checked: good" ] || [ -n "$console" ]; then
    printf '%s\n' "$console"
    tail -n 5 "$name.log"
    failed=1
  fi
}

# All sizes and colours.
look_at_all() {
  look "$1light" 1280
  look "$1dark" 1280 --blink-settings=preferredColorScheme=0
  look "$1phone" 390
  rm -rf chromium
}

# browser.sh - sourced by tests/browser/*.sh: $CHROMIUM, and npm's packages where node finds them; skips without them.
CHROMIUM=$(command -v chromium || command -v chromium-browser || true)
NODE_PATH=${GAPSWEEP_NPM:-$PWD/build/npm}/node_modules
export CHROMIUM NODE_PATH
[ -n "$CHROMIUM" ] || { echo "chromium is not installed (make deps-test)"; exit 77; }
node -e 'require("playwright-core"); require("axe-core")' 2>/dev/null || {
	echo "playwright-core or axe-core is not installed (make deps-test)"
	exit 77
}

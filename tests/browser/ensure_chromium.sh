#!/bin/sh
# Install Debian's chromium where it is missing and we may. Where that fails, the
# browser tests are skipped and their summary says so; nothing else depends on it.
command -v chromium >/dev/null 2>&1 && exit 0
command -v apt-get >/dev/null 2>&1 || exit 0
[ "$(id -u)" = 0 ] || exit 0
echo "installing Debian's chromium for the browser tests"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install -y --no-install-recommends chromium fonts-liberation
} >/tmp/nbtrack-chromium.log 2>&1 || {
  echo "chromium could not be installed: the browser tests will be skipped"
  tail -n 3 /tmp/nbtrack-chromium.log
}
exit 0

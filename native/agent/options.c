// The command line of the agent.

#define _GNU_SOURCE
#include "options.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/say.h"

static const char usage[] =
    "usage: ringway-agent [OPTIONS]            proxies, forwards and files for programs in the guest\n"
    "       ringway-agent rwcat ...            a netcat; also by the name rwcat\n"
    "       ringway-agent rwfs ...             files of the host; also by the name rwfs\n"
    "       ringway-agent exit CODE            tells the host how the guest's program ended\n"
    "\n"
    "Where the host is:\n"
    "      --memory FILE          the shared memory; if not given, the ivshmem device is looked for\n"
    "      --channel PATH         the bell: a virtio port, a serial line, or a Unix socket; if not given,\n"
    "                             the virtio port org.ringway.doorbell is looked for\n"
    "      --tty DEVICE           the same as --channel, for a serial line\n"
    "      --socket PATH          instead: the monitor's attach socket, for a guest that is a process;\n"
    "                             $RINGWAY_SOCKET, where nothing of these is given\n"
    "      --wait-ms N            give up if not attached so soon, 0: never. If not given: after a minute where there\n"
    "                             is no ivshmem device; a device or a socket waits for its monitor for ever\n"
    "\n"
    "What programs in the guest have of it ([ADDRESS:]PORT; ADDRESS is 127.0.0.1 if not given):\n"
    "      --socks PORT|off       a SOCKS5 proxy; 1080 if not given\n"
    "      --http PORT|off        an HTTP proxy; 3128 if not given\n"
    "      --forward PORT:HOST:HOSTPORT        a port of the guest, to an address that the host reaches\n"
    "      --publish [HOSTADDR:]HOSTPORT:PORT  a port of the host, to a port of the guest\n"
    "                             auto: each that programs listen on, the same on the host, where the policy lets it\n"
    "      --mount PATH[:FOLDER]  a folder of the host's, mounted there by FUSE. Wants CAP_SYS_ADMIN.\n"
    "                             PATH[:FOLDER],watch: what others change there is seen at once; ,writeback: writes\n"
    "                             are at the host later, for a folder that is this guest's alone\n"
    "      --transparent          every address of TCP: programs need not know of any of this. Wants CAP_NET_ADMIN\n"
    "                             and CAP_NET_RAW in a network that has nothing but lo\n"
    "      --names own|real|off   its resolver, on port 53 of loopback, gives each name an address of its own, or\n"
    "                             the true ones; own if not given. learn: own, and for names that no rule allows, too\n"
    "      --service PATH|off     the socket of rwcat and rwfs; /run/ringway.sock if not given\n"
    "\n"
    "      --streams N            connections at once; 4096 if not given. More wait for their turn\n"
    "      --hold-ms N            how long new connections wait while no monitor is there; 2000 if not given\n"
    "      --turn-ms N            how long a connection waits where all are taken; 30000 if not given\n"
    "      --handshake-ms N       how long a program may take to say what it wants; 30000 if not given\n"
    "      --busy-poll-us N       look for work that long before sleeping; 50 if not given\n"
    "  -h, --help; -V, --version\n"
    "\n"
    "Exit codes: 0 stopped by SIGTERM, SIGINT, SIGHUP or SIGQUIT, 1 failed, 2 wrong usage.\n";

enum { EXIT_USAGE = 2 };

struct options options = {
    .service = SERVICE_PATH,
    .socks = {.text = "127.0.0.1:1080", .ip = {127, 0, 0, 1}, .port = 1080, .family = 4},
    .http = {.text = "127.0.0.1:3128", .ip = {127, 0, 0, 1}, .port = 3128, .family = 4},
    .streams = STREAMS_DEFAULT,
    .busy_poll_us = 50,
    .hold_ms = 2000,
    .turn_ms = 30000,
    .wait_ms = WAIT_AS_IT_IS,
    .handshake_ms = 30000,
};

// An option that takes a value: what it expects, in words, and where the value goes. Without words it is a number.
struct option {
  const char *name, *expects;
  const char **text;
  uint32_t *number, least, most;
  void (*take)(const struct option *option, const char *value);
};

_Noreturn static void try_help(void) {
  say_end();
  say_begin();
  say("try --help");
  say_end();
  exit(EXIT_USAGE);
}

_Noreturn static void wrong(const char *what, const char *value) {
  say_begin();
  say(what);
  if (value) {
    say(": ");
    say(value);
  }
  try_help();
}

// NULL: there is none.
_Noreturn static void wrong_value(const struct option *option, const char *value) {
  say_begin();
  say(option->name);
  say(": expected ");
  if (option->expects) say(option->expects);
  else {
    say("a number from ");
    say_number(option->least);
    say(" to ");
    say_number(option->most);
  }
  say("; found ");
  if (value) {
    say("\"");
    say(value);
    say("\"");
  } else say("nothing");
  try_help();
}

// The number that a text is; above `most` for one that is none.
static uint64_t number_of(const char *text, uint32_t most) {
  uint64_t value = 0;
  if (*text == 0) return UINT64_MAX;
  for (const char *at = text; *at; at++) {
    if (*at < '0' || *at > '9' || value > most) return UINT64_MAX;
    value = value * 10 + (uint64_t)(*at - '0');
  }
  return value;
}

// `whole`: the value that the port is a part of.
static uint16_t port_of(const struct option *option, const char *text, uint16_t least, const char *whole) {
  uint64_t value = number_of(text, UINT16_MAX);
  if (value < least || value > UINT16_MAX) wrong_value(option, whole);
  return (uint16_t)value;
}

// Splits at the last colon that is not within brackets; the part before it ends there. NULL: there is none.
static char *last_part(char *text) {
  char *colon = NULL;
  int depth = 0;
  for (char *at = text; *at; at++) {
    if (*at == '[') depth++;
    else if (*at == ']') depth--;
    else if (*at == ':' && depth == 0) colon = at;
  }
  if (!colon) return NULL;
  *colon = 0;
  return colon + 1;
}

// "[::1]" or "127.0.0.1": family and bytes, or 0.
static uint8_t read_ip(char *text, uint8_t ip[16]) {
  size_t length = strlen(text);
  if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
    text[length - 1] = 0;
    uint8_t family = inet_pton(AF_INET6, text + 1, ip) == 1 ? 6 : 0;
    text[length - 1] = ']';
    return family;
  }
  return inet_pton(AF_INET, text, ip) == 1 ? 4 : 0;
}

// The command line's own words stay whole: ps(1) shows them.
static char *copy_of(const char *text) {
  char *copy = strdup(text);
  if (!copy) wrong("no memory", NULL);
  return copy;
}

// [ADDRESS:]PORT, as a part of `whole`.
static struct address listen_at(const struct option *option, const char *text, const char *whole) {
  struct address address = {.text = text, .ip = {127, 0, 0, 1}, .family = 4};
  char *copy = copy_of(text);
  char *port = last_part(copy);
  if (port) {
    memset(address.ip, 0, sizeof address.ip);
    address.family = read_ip(copy, address.ip);
    if (address.family == 0) wrong_value(option, whole);
  }
  address.port = port_of(option, port ? port : copy, 0, whole);
  free(copy);
  return address;
}

static struct address listen_or_off(const struct option *option, const char *text) {
  if (strcmp(text, "off") == 0) return (struct address){.family = 0};
  return listen_at(option, text, text);
}

static void take_socks(const struct option *option, const char *text) {
  options.socks = listen_or_off(option, text);
}

static void take_http(const struct option *option, const char *text) {
  options.http = listen_or_off(option, text);
}

// [ADDRESS:]PORT:HOST:HOSTPORT
static void take_forward(const struct option *option, const char *text) {
  if (options.forwards == ROUTES_MAX) wrong("too many --forward", text);
  struct route *route = &options.forward[options.forwards++];
  char *copy = copy_of(text);
  char *port = last_part(copy);
  char *host = port ? last_part(copy) : NULL;
  if (!host) wrong_value(option, text);
  route->here = listen_at(option, copy, text);
  route->here.text = text;
  route->port = port_of(option, port, 1, text);
  size_t length = strlen(host);
  if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
    host[length - 1] = 0;
    host++;
  }
  route->host = host;
  route->host_bytes = (uint32_t)strlen(host);
  if (route->host_bytes == 0 || route->host_bytes > RW_HOST_MAX_BYTES) wrong_value(option, text);
}

// [HOSTADDR:]HOSTPORT:PORT, or "auto"
static void take_publish(const struct option *option, const char *text) {
  if (strcmp(text, "auto") == 0) {
    options.publish_auto = 1;
    return;
  }
  if (options.publishes == ROUTES_MAX) wrong("too many --publish", text);
  struct route *route = &options.publish[options.publishes++];
  char *copy = copy_of(text);
  char *port = last_part(copy);
  if (!port) wrong_value(option, text);
  struct address there = listen_at(option, copy, text);
  route->port = port_of(option, port, 1, text);
  route->there = (struct rw_inet){.family = there.family, .port = there.port};
  memcpy(route->there.address, there.ip, there.family == 6 ? 16 : 4);
  free(copy);
}

// Takes such a word from the end; 0: it has none.
static int take_word(char *text, const char *word) {
  size_t length = strlen(text), word_length = strlen(word);
  if (length < word_length || strcmp(text + length - word_length, word) != 0) return 0;
  text[length - word_length] = 0;
  return 1;
}

// One letter too many, too few or another, or two that changed places.
static int is_near(const char *typed, const char *word) {
  while (*word && *typed == *word) typed++, word++;
  if (!*typed || !*word) return strlen(typed) + strlen(word) == 1;
  int is_swapped = typed[0] == word[1] && typed[1] == word[0] && strcmp(typed + 2, word + 2) == 0;
  return is_swapped || strcmp(typed + 1, word + 1) == 0 || strcmp(typed + 1, word) == 0 || strcmp(typed, word + 1) == 0;
}

// A folder may have a comma in its name. One with what is nearly a word behind it is written with a slash at its end.
static void check_words(const char *folder, const char *text) {
  static const char *const words[] = {"watch", "writeback"};
  const char *last = strrchr(folder, ',');
  for (size_t i = 0; last && i < sizeof words / sizeof words[0]; i++) {
    if (!is_near(last + 1, words[i])) continue;
    say_begin();
    say("--mount ");
    say(text);
    say(": did you mean ,");
    say(words[i]);
    say("? A folder with such a name has / behind it");
    try_help();
  }
}

// PATH[:FOLDER][,watch][,writeback]
static void take_mount(const struct option *option, const char *text) {
  if (options.mounts == MOUNTS_MAX) wrong("too many --mount", text);
  struct mounted *mount = &options.mount[options.mounts++];
  char *copy = copy_of(text);
  for (int more = 1; more;) {
    int is_watch = take_word(copy, ",watch"), is_back = take_word(copy, ",writeback");
    mount->is_watched |= is_watch;
    mount->writes_back |= is_back;
    more = is_watch || is_back;
  }
  char *point = strstr(copy, ":/");
  if (point) *point++ = 0;
  mount->path = copy;
  mount->point = point ? point : copy;
  check_words(mount->point, text);
  if (*copy != '/' || strlen(copy) > RW_PATH_MAX_BYTES || strcmp(mount->point, "/") == 0) wrong_value(option, text);
}

static void take_service(const struct option *option, const char *text) {
  if (*text == 0) wrong_value(option, text);
  options.service = strcmp(text, "off") == 0 ? NULL : text;
  options.service_given = options.service != NULL;
}

static int names_given;

static void take_names(const struct option *option, const char *text) {
  static const char *const words[] = {[NAMES_OWN] = "own", [NAMES_REAL] = "real", [NAMES_OFF] = "off"};
  int which = NAMES_OWN;
  options.learns = strcmp(text, "learn") == 0;
  if (options.learns) text = words[NAMES_OWN];
  while (which <= NAMES_OFF && strcmp(text, words[which]) != 0) which++;
  if (which > NAMES_OFF) wrong_value(option, text);
  options.names = (enum names)which;
  names_given = 1;
}

#define MOUNT_AT "PATH[:FOLDER][,watch][,writeback], such as /data or /data:/mnt/data"
#define PROXY_AT "[ADDRESS:]PORT or off, such as 1080 or [::1]:1080"

static const struct option known[] = {
    {.name = "--memory", .expects = "the path of a file", .text = &options.memory},
    {.name = "--channel", .expects = "the path of a device or a socket", .text = &options.channel},
    {.name = "--tty", .expects = "the path of a device", .text = &options.channel},
    {.name = "--socket", .expects = "the path of a socket", .text = &options.socket},
    {.name = "--socks", .expects = PROXY_AT, .take = take_socks},
    {.name = "--http", .expects = PROXY_AT, .take = take_http},
    {.name = "--forward",
     .expects = "[ADDRESS:]PORT:HOST:HOSTPORT, such as 8080:example.com:80",
     .take = take_forward},
    {.name = "--publish", .expects = "auto or [HOSTADDR:]HOSTPORT:PORT, such as 8080:80", .take = take_publish},
    {.name = "--mount", .expects = MOUNT_AT, .take = take_mount},
    {.name = "--names", .expects = "own, learn, real or off", .take = take_names},
    {.name = "--service", .expects = "the path of a socket, or off", .take = take_service},
    {.name = "--wait-ms", .number = &options.wait_ms, .least = 0, .most = 86400000},
    {.name = "--streams", .number = &options.streams, .least = 1, .most = STREAMS_MAX},
    {.name = "--hold-ms", .number = &options.hold_ms, .least = 0, .most = 3600000},
    {.name = "--turn-ms", .number = &options.turn_ms, .least = 1, .most = 3600000},
    {.name = "--handshake-ms", .number = &options.handshake_ms, .least = 1, .most = 3600000},
    {.name = "--busy-poll-us", .number = &options.busy_poll_us, .least = 0, .most = 1000000},
};

static void take(const struct option *option, const char *value) {
  if (!value) wrong_value(option, NULL);
  if (option->take) option->take(option, value);
  else if (option->text) {
    if (*value == 0) wrong_value(option, value);
    *option->text = value;
  } else {
    uint64_t number = number_of(value, option->most);
    if (number < option->least || number > option->most) wrong_value(option, value);
    *option->number = (uint32_t)number;
  }
}

void options_parse(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) say_help(usage);
    if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0) say_version();
    if (strcmp(word, "--transparent") == 0) {
      options.transparent = 1;
      continue;
    }
    size_t which = 0;
    while (which < sizeof known / sizeof known[0] && strcmp(word, known[which].name) != 0) which++;
    if (which == sizeof known / sizeof known[0]) wrong("unknown option", word);
    take(&known[which], ++i < argc ? argv[i] : NULL);
  }
  const char *socket = getenv("RINGWAY_SOCKET");
  if (socket && *socket && !options.socket && !options.memory && !options.channel) options.socket = socket;
  if (options.socket && (options.memory || options.channel))
    wrong("--socket goes without --memory and --channel", NULL);
  options.publishes_most = options.publishes + (options.publish_auto ? AUTO_MAX : 0);
  if (options.publishes_most > ROUTES_MAX) options.publishes_most = ROUTES_MAX;
  if (names_given && !options.transparent) wrong("--names goes with --transparent", NULL);
}

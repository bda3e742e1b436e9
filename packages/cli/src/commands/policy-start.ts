// What `ringway policy init` writes: a policy that allows nothing, with every kind of rule in comments. A line that
// begins with "#" and no blank becomes a rule when the "#" is taken away, as in sshd_config.

/** `schema`: where an editor finds the JSON schema; a path or a URL without blanks. */
export function policyStart(schema: string): string {
  return `# yaml-language-server: $schema=${schema}
# What a guest may reach. What no rule allows is refused; in each list the first rule that matches decides.
# To use a rule, take the "#" at the beginning of its lines away, then: ringway policy check FILE
version: 1

# Where the guest may connect to: over TCP, and where the rule says so with datagrams (UDP).
#connect:
# A name, or a pattern in quotes. The host resolves it; its addresses must be public.
#  - id: web
#    allow: [example.com, "*.example.com"]
#    ports: 443
# A name of a private network, and where it may lie.
#  - id: database
#    allow: db.corp.example
#    ports: 5432
#    resolvesTo: 10.0.0.0/8
# An address, or a network such as 10.1.0.0/16.
#  - id: local
#    allow: 127.0.0.1
#    ports: [8080, 9000-9099]
# A name server. Without protocols an allow holds for TCP alone.
#  - id: dns
#    allow: 192.0.2.53
#    ports: 53
#    protocols: [tcp, udp]

# Where the guest may listen, at addresses of the host.
#listen:
#  - id: preview
#    allow: 127.0.0.1
#    ports: [0, 8000-8099] # 0: a port that the host picks

# Folders of the host that the guest sees. They must exist; a relative one lies beside this file.
#files:
#  - id: input
#    guest: /input # as the guest names it
#    host: ./input
#    access: ro # ro: read only; rw: read and write
#  - id: output
#    guest: /output
#    host: ./output
#    access: rw

# Unix sockets of the host. Their folders must exist.
#sockets:
#  - id: app
#    guest: /run/app.sock # as the guest names it
#    host: ./app.sock
#    access: connect # connect: to whoever listens there; listen: the guest itself does

# Names that get these addresses, whatever name servers say. The rules above judge the addresses.
#hosts:
#  dns.internal: 192.0.2.53

# What the guest's program gets as its arguments, where it asks for them.
#guest:
#  argv: [--once]
#  env: { MODE: production }

# What a program of ringway run sees of this system, read-only: default is /usr, /bin, /lib and a part of /etc.
#run:
#  system: [default, /opt]

# How much the guest may make the monitor hold. These are the defaults of some.
#limits:
#  streams: 4096
#  regionBytes: 256MiB # shared memory
#  openFiles: 256
#  fileBytesWritten: unlimited
#  networkBytes: unlimited
#rates: # in a second; at its rate a guest waits
#  bytesToHost: unlimited
#  bytesToGuest: unlimited
#timeouts:
#  connectMs: 30000
`;
}

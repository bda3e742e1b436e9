// Written by scripts/policy-validator.ts from policy.schema.json, with Ajv 8.20.0 (MIT, Evgeny Poberezkin).
"use strict";
export const validate = validate20;
const schema31 = {"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"urn:ringway:policy:1","title":"Ringway policy, version 1","description":"What one guest may reach. Everything that no rule allows is refused; within a list, the first rule that matches decides.","type":"object","x-expected":"a map of policy keys, beginning with version: 1","required":["version"],"additionalProperties":false,"properties":{"version":{"description":"The version of this file format.","const":1},"guest":{"description":"What the guest gets when it asks for its arguments (GetArgs).","type":"object","x-expected":"a map with argv and env","additionalProperties":false,"properties":{"argv":{"description":"The guest program's arguments.","type":"array","x-expected":"a list of strings, at most 4096","maxItems":4096,"items":{"$ref":"#/$defs/text"},"default":[],"examples":[["worker","--once"]]},"env":{"description":"The guest program's environment variables. Values are strings: quote numbers.","type":"object","x-expected":"a map of names to strings, at most 4096","maxProperties":4096,"propertyNames":{"x-expected":"the name of a variable, without \"=\"","pattern":"^[^=\\u0000]+$"},"additionalProperties":{"$ref":"#/$defs/text"},"default":{},"examples":[{"MODE":"demo"}]}}},"refusals":{"description":"What a refused guest is told. explain: the errno, the rule and a sentence. hide: the errno only. The audit log always has all three.","enum":["explain","hide"],"default":"explain"},"audit":{"description":"What happens while lines cannot be written to the audit file. required: guests that cause one wait. best-effort: lines are lost, counted, and that is said.","enum":["required","best-effort"],"default":"best-effort"},"audited":{"description":"What the audit file has lines of. all: what was allowed, when it is opened and when it ends, beside refusals and violations. refusals: those alone. Without an audit file nothing that was allowed has a line.","enum":["all","refusals"],"default":"all"},"connect":{"description":"Where the guest may connect to, or send datagrams to. The first rule that matches decides; a connection that none matches is refused.","type":"array","x-expected":"a list of connect rules","items":{"$ref":"#/$defs/connectRule"},"default":[]},"listen":{"description":"Which of the host's addresses and ports the guest may listen on. The first rule that matches decides.","type":"array","x-expected":"a list of listen rules","items":{"$ref":"#/$defs/listenRule"},"default":[]},"files":{"description":"Folders of the host that the guest sees. The first rule whose guest path is the path or a folder above it decides.","type":"array","x-expected":"a list of files rules","items":{"$ref":"#/$defs/filesRule"},"default":[]},"sockets":{"description":"Unix sockets of the host, each by its own rule: the guest connects to it, or listens there. A path that no rule names is refused.","type":"array","x-expected":"a list of sockets rules","items":{"$ref":"#/$defs/socketsRule"},"default":[]},"vms":{"description":"Virtual machines that the monitor serves, beside the processes that attach to its socket (docs/vm.md).","type":"array","x-expected":"a list of VMs","items":{"type":"object","x-expected":"a map with name, memory and doorbell","required":["name","memory","doorbell"],"additionalProperties":false,"properties":{"name":{"description":"What its guests are called in the logs; each VM has its own.","$ref":"#/$defs/vmName"},"memory":{"description":"The file that the VM's ivshmem device shares with the host, made where it does not exist; best on a tmpfs. Relative to this file's folder.","$ref":"#/$defs/vmPath"},"doorbell":{"description":"The Unix socket that the hypervisor serves for the VM's doorbell channel. Relative to this file's folder.","$ref":"#/$defs/vmPath"},"size":{"description":"Size of a memory that is made: a power of two, and the size that the hypervisor is given. One that exists keeps its own.","$ref":"#/$defs/size","default":"64MiB"}}},"default":[]},"hosts":{"description":"Names to which the host gives addresses of its own choosing, before anything else is asked for them. host.ringway is the host's own loopback, unless it stands here.","type":"object","x-expected":"a map of names to addresses, at most 4096","maxProperties":4096,"additionalProperties":{"type":["string","array"],"x-expected":"an address, or a list of them, at most 16","minLength":1,"minItems":1,"maxItems":16,"items":{"type":"string","x-expected":"an address","minLength":1}},"default":{},"examples":[{"db.internal":"10.1.2.3"}]},"run":{"description":"What a program of `ringway run` has of the host's system, beside the folders of files (docs/run.md).","type":"object","x-expected":"a map with system","additionalProperties":false,"properties":{"system":{"description":"Files and folders of the host that it sees read-only, each at its own place. The word default stands for the usual ones: /usr, /bin, /sbin, /lib and what of /etc is meant for everybody.","type":"array","x-expected":"a list of absolute paths of the host, or the word default","maxItems":1024,"items":{"type":"string","x-expected":"an absolute path of the host, or the word default","pattern":"^(default$|/)"},"default":["default"],"examples":[["default","/opt/jdk"]]}},"default":{}},"limits":{"description":"How much one guest can make the monitor hold.","type":"object","x-expected":"a map of limits","additionalProperties":false,"properties":{"guests":{"description":"Guests at once that one user has on the attach socket, of all that the monitor takes; another is turned away.","$ref":"#/$defs/positive","default":64},"streams":{"description":"Streams open at once, from 1 to 32767.","type":"integer","x-expected":"a whole number from 1 to 32767","minimum":1,"maximum":32767,"default":4096},"regionBytes":{"description":"Size of the guest's shared memory: whole pages of 4 KiB, from 1 MiB to 4 GiB.","$ref":"#/$defs/size","default":"256MiB"},"regionBytesTotal":{"description":"Bytes of the regions of all guests of one user, from regionBytes to 16777216GiB; without it, guests times regionBytes.","$ref":"#/$defs/size","default":"16GiB"},"streamBytes":{"description":"Largest capacity of one ring, of which a stream has two: a power of two from 4 KiB to 16 MiB, at most a quarter of regionBytes.","$ref":"#/$defs/size","default":"1MiB"},"socketBytes":{"description":"What the kernel may hold for the guest's sockets, sent and received, beside 32 KiB for each: from 1MiB to 1024GiB.","$ref":"#/$defs/size","default":"64MiB"},"accepts":{"description":"Accepts posted ahead, over all listeners together.","$ref":"#/$defs/count","default":1024},"openFiles":{"description":"Files and folders open at once.","$ref":"#/$defs/count","default":256},"fileBytesWritten":{"description":"Bytes that all guests of one user may write to files: a size, or unlimited.","$ref":"#/$defs/amount","default":"unlimited"},"networkBytes":{"description":"Bytes that all guests of one user may send and receive over the network: a size, or unlimited.","$ref":"#/$defs/amount","default":"unlimited"},"requests":{"description":"Requests taken from the guest and not answered yet, over all streams: connections and files being opened, and work on files.","$ref":"#/$defs/positive","default":1024},"diskOperations":{"description":"Operations on files and folders in a second that may have to wait for a disk; past them they wait for their turn.","type":"integer","x-expected":"a whole number from 10 to 1048576","minimum":10,"maximum":1048576,"default":10000},"bells":{"description":"Bells in a second behind which there is nothing to do; past them the guest is not looked at for up to a tenth of a second.","type":"integer","x-expected":"a whole number from 100 to 1048576","minimum":100,"maximum":1048576,"default":20000},"logLines":{"description":"Lines in a second that the guest may cause in the log and the audit log, beside those of what was allowed; past them the guest waits.","$ref":"#/$defs/positive","default":1000},"logBytes":{"description":"Bytes of these lines in a second, from 64KiB to 1GiB; past them the guest waits.","$ref":"#/$defs/size","default":"256KiB"},"auditBytes":{"description":"Bytes of audit lines of what was allowed in a second, from 64KiB to 1GiB; past them the guest waits.","$ref":"#/$defs/size","default":"1MiB"}}},"rates":{"description":"How fast the guests of one user may use the network, all together. At its rate a guest waits, and nothing is refused.","type":"object","x-expected":"a map of rates","additionalProperties":false,"properties":{"bytesToHost":{"description":"Bytes in a second from guests to the network, from 2KiB; or unlimited.","$ref":"#/$defs/amount","default":"unlimited"},"bytesToHostBurst":{"description":"As many of them at once after a pause, from 2KiB; without it, as many as in a second.","$ref":"#/$defs/size"},"bytesToGuest":{"description":"Bytes in a second from the network to guests, from 2KiB; or unlimited.","$ref":"#/$defs/amount","default":"unlimited"},"bytesToGuestBurst":{"description":"As many of them at once after a pause, from 2KiB; without it, as many as in a second.","$ref":"#/$defs/size"},"connections":{"description":"New connections in a second, made by guests, connected UDP sockets among them, and come to them; or unlimited.","$ref":"#/$defs/rate","default":"unlimited"},"datagrams":{"description":"Datagrams in a second, both ways together; or unlimited.","$ref":"#/$defs/rate","default":"unlimited"},"lookups":{"description":"Names and addresses looked up in a second for guests that ask for no connection; or unlimited.","$ref":"#/$defs/rate","default":"unlimited"}}},"timeouts":{"description":"How long the monitor waits for others on the guest's behalf.","type":"object","x-expected":"a map of timeouts","additionalProperties":false,"properties":{"connectMs":{"description":"Milliseconds for a connection to be established, over all addresses of its name.","$ref":"#/$defs/milliseconds","default":30000},"resolveMs":{"description":"Milliseconds for a name to be resolved.","$ref":"#/$defs/milliseconds","default":10000},"attachMs":{"description":"Milliseconds from the greeting of a guest on the attach socket until it asks to be attached.","$ref":"#/$defs/milliseconds","default":10000},"udpIdleMs":{"description":"Milliseconds without a datagram either way until a connected UDP socket ends, and until a bound one forgets a peer. At most 30000 for peers at port 53.","$ref":"#/$defs/milliseconds","default":120000}}}},"$defs":{"text":{"type":"string","x-expected":"a string (numbers, true and null need quotes)","pattern":"^[^\\u0000]*$"},"id":{"description":"The rule's name in refusals and in the audit log; unique in this file. Without one a rule goes by its position, such as connect[0].","type":"string","x-expected":"a letter, then up to 63 letters, digits, dots, underscores or hyphens","pattern":"^[A-Za-z][A-Za-z0-9._-]{0,63}$"},"size":{"type":["integer","string"],"x-expected":"a size: a number of bytes, or a number with KiB, MiB or GiB, such as 256MiB","minimum":0,"maximum":9007199254740991,"pattern":"^[0-9]+(KiB|MiB|GiB)?$"},"amount":{"type":["integer","string"],"x-expected":"unlimited or a size: a number of bytes, or a number with KiB, MiB or GiB, such as 256MiB","minimum":0,"maximum":9007199254740991,"pattern":"^([0-9]+(KiB|MiB|GiB)?|unlimited)$"},"rate":{"type":["integer","string"],"x-expected":"unlimited or a whole number from 1 to 1048576","minimum":1,"maximum":1048576,"pattern":"^unlimited$"},"vmName":{"type":"string","x-expected":"a letter, then up to 63 letters, digits, dots, underscores or hyphens","pattern":"^[A-Za-z][A-Za-z0-9._-]{0,63}$"},"vmPath":{"type":"string","x-expected":"a path","pattern":"^[^\\u0000]+$"},"positive":{"type":"integer","x-expected":"a whole number from 1 to 1048576","minimum":1,"maximum":1048576},"count":{"type":"integer","x-expected":"a whole number from 0 to 1048576","minimum":0,"maximum":1048576},"milliseconds":{"type":"integer","x-expected":"a number of milliseconds from 1 to 3600000","minimum":1,"maximum":3600000},"target":{"type":["string","array"],"x-expected":"a name pattern, an address, a CIDR, or a list of them","minLength":1,"minItems":1,"items":{"type":"string","x-expected":"a name pattern, an address or a CIDR","minLength":1},"examples":["*.example.com","192.0.2.1","10.0.0.0/8",["10.0.0.0/8","fd00::/8"],"public"]},"networks":{"type":["string","array"],"x-expected":"an address, a CIDR, or a list of them","minLength":1,"minItems":1,"items":{"type":"string","x-expected":"an address or a CIDR","minLength":1},"examples":["127.0.0.1","10.1.0.0/16",["10.0.0.0/8","fd00::/8"]]},"protocols":{"description":"What the rule holds for. Without it an allow holds for TCP alone, and a deny for all.","type":["string","array"],"x-expected":"tcp, udp, or a list of them","pattern":"^(tcp|udp)$","minItems":1,"items":{"type":"string","x-expected":"tcp or udp","pattern":"^(tcp|udp)$"},"examples":["udp",["tcp","udp"]]},"connectPort":{"type":["integer","string"],"x-expected":"a port from 1 to 65535, or a range such as 8000-8100","minimum":1,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$"},"listenPort":{"type":["integer","string"],"x-expected":"a port from 0 to 65535, or a range such as 8000-8100","minimum":0,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$"},"connectRule":{"type":"object","x-expected":"a map with allow or deny","additionalProperties":false,"oneOf":[{"required":["allow"]},{"required":["deny"]}],"dependentRequired":{"resolvesTo":["allow"]},"properties":{"id":{"$ref":"#/$defs/id"},"allow":{"description":"Connections to these are allowed. *.example.com is every name below example.com, * is every name; a name pattern never matches a literal address. public, private, loopback and host are groups of addresses.","$ref":"#/$defs/target"},"deny":{"description":"Connections to these are refused. A denied address or CIDR also refuses names that resolve into it.","$ref":"#/$defs/target"},"protocols":{"$ref":"#/$defs/protocols"},"ports":{"description":"A port, a range, or a list of them. Without it: all ports.","type":["integer","string","array"],"x-expected":"a port from 1 to 65535, a range such as 8000-8100, or a list of them","minimum":1,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$","minItems":1,"items":{"$ref":"#/$defs/connectPort"},"examples":[443,"8000-8100",[80,443,"8000-8100"]]},"resolvesTo":{"description":"Addresses, CIDRs and groups (private, loopback, host) that the names of this rule may resolve to although they are not public.","$ref":"#/$defs/networks"}}},"listenRule":{"type":"object","x-expected":"a map with allow or deny, and ports","additionalProperties":false,"required":["ports"],"oneOf":[{"required":["allow"]},{"required":["deny"]}],"properties":{"id":{"$ref":"#/$defs/id"},"allow":{"description":"The guest may listen on these addresses of the host.","$ref":"#/$defs/networks"},"deny":{"description":"The guest may not listen on these addresses of the host.","$ref":"#/$defs/networks"},"protocols":{"$ref":"#/$defs/protocols"},"ports":{"description":"A port, a range, or a list of them. 0 stands for a port that the host picks.","type":["integer","string","array"],"x-expected":"a port from 0 to 65535, a range such as 8000-8100, or a list of them","minimum":0,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$","minItems":1,"items":{"$ref":"#/$defs/listenPort"},"examples":[8080,[0,"8000-8999"]]}}},"xattr":{"type":"string","x-expected":"a name with a dot, or what it begins with and a *, such as trusted.overlay.*","maxLength":255,"pattern":"^[a-z0-9_]+\\.[^\\u0000*]*\\*?$"},"ownerId":{"type":"integer","x-expected":"a number from 0 to 4294967294","minimum":0,"maximum":4294967294},"filesRule":{"type":"object","x-expected":"a map with guest, host and access","additionalProperties":false,"required":["guest","host","access"],"properties":{"id":{"$ref":"#/$defs/id"},"guest":{"description":"Absolute path as the guest names it; the rule covers it and everything below.","type":"string","x-expected":"an absolute path","pattern":"^/[^\\u0000]*$","examples":["/data"]},"host":{"description":"Folder of the host, relative to the folder of this file. Taken as it is written: ~ and ${HOME} are not expanded.","type":"string","x-expected":"a path of the host","minLength":1,"pattern":"^[^\\u0000]*$","examples":["./data"]},"access":{"description":"ro: read only. rw: read and write.","enum":["ro","rw"]},"crossMounts":{"description":"true: guests reach what is mounted below the folder too, but never the kernel's own file systems, such as procfs.","type":"boolean","x-expected":"true or false","default":false},"xattrs":{"description":"Extended attributes that a mount shows, and with rw changes, beside user.*: names, or what they begin with and a *.","type":"array","x-expected":"a list of names of extended attributes","items":{"$ref":"#/$defs/xattr"},"examples":[["security.selinux","trusted.overlay.*"]]},"owner":{"description":"Whose that is what guests make below the folder, and the only owner that they may give a file. Takes a monitor that may make files of others, such as root. Default: the monitor's user.","type":"object","x-expected":"a map with uid and gid","additionalProperties":false,"required":["uid","gid"],"properties":{"uid":{"description":"Number of the user.","$ref":"#/$defs/ownerId"},"gid":{"description":"Number of the group.","$ref":"#/$defs/ownerId"}},"examples":[{"uid":1000,"gid":1000}]}}},"socketsRule":{"type":"object","x-expected":"a map with guest, host and access","additionalProperties":false,"required":["guest","host","access"],"properties":{"id":{"$ref":"#/$defs/id"},"guest":{"description":"Absolute path of the socket as the guest names it; the rule covers this path alone.","type":"string","x-expected":"an absolute path","pattern":"^/[^\\u0000]*$","examples":["/run/agent.sock"]},"host":{"description":"The socket on the host, in a folder that exists, relative to the folder of this file. Taken as it is written: ~ and ${HOME} are not expanded.","type":"string","x-expected":"a path of the host","minLength":1,"pattern":"^[^\\u0000]*$","examples":["./agent.sock"]},"access":{"description":"connect: the guest connects to whoever listens there. listen: the guest listens there itself.","enum":["connect","listen"]}}}}};
const schema32 = {"type":"string","x-expected":"a string (numbers, true and null need quotes)","pattern":"^[^\\u0000]*$"};
const schema54 = {"type":"string","x-expected":"a letter, then up to 63 letters, digits, dots, underscores or hyphens","pattern":"^[A-Za-z][A-Za-z0-9._-]{0,63}$"};
const schema55 = {"type":"string","x-expected":"a path","pattern":"^[^\\u0000]+$"};
const schema57 = {"type":["integer","string"],"x-expected":"a size: a number of bytes, or a number with KiB, MiB or GiB, such as 256MiB","minimum":0,"maximum":9007199254740991,"pattern":"^[0-9]+(KiB|MiB|GiB)?$"};
const schema58 = {"type":"integer","x-expected":"a whole number from 1 to 1048576","minimum":1,"maximum":1048576};
const schema63 = {"type":"integer","x-expected":"a whole number from 0 to 1048576","minimum":0,"maximum":1048576};
const schema65 = {"type":["integer","string"],"x-expected":"unlimited or a size: a number of bytes, or a number with KiB, MiB or GiB, such as 256MiB","minimum":0,"maximum":9007199254740991,"pattern":"^([0-9]+(KiB|MiB|GiB)?|unlimited)$"};
const schema75 = {"type":["integer","string"],"x-expected":"unlimited or a whole number from 1 to 1048576","minimum":1,"maximum":1048576,"pattern":"^unlimited$"};
const schema78 = {"type":"integer","x-expected":"a number of milliseconds from 1 to 3600000","minimum":1,"maximum":3600000};
const func1 = Object.prototype.hasOwnProperty;
const func2 = function ucs2length(str) {
    const len = str.length;
    let length = 0;
    let pos = 0;
    let value;
    while (pos < len) {
        length++;
        value = str.charCodeAt(pos++);
        if (value >= 0xd800 && value <= 0xdbff && pos < len) {
            // high surrogate, and there is a next character
            value = str.charCodeAt(pos);
            if ((value & 0xfc00) === 0xdc00)
                pos++; // low surrogate
        }
    }
    return length;
};
const pattern4 = new RegExp("^[^\\u0000]*$", "u");
const pattern5 = new RegExp("^[^=\\u0000]+$", "u");
const pattern7 = new RegExp("^[A-Za-z][A-Za-z0-9._-]{0,63}$", "u");
const pattern25 = new RegExp("^[^\\u0000]+$", "u");
const pattern27 = new RegExp("^[0-9]+(KiB|MiB|GiB)?$", "u");
const pattern28 = new RegExp("^(default$|/)", "u");
const pattern33 = new RegExp("^([0-9]+(KiB|MiB|GiB)?|unlimited)$", "u");
const pattern41 = new RegExp("^unlimited$", "u");
const schema34 = {"type":"object","x-expected":"a map with allow or deny","additionalProperties":false,"oneOf":[{"required":["allow"]},{"required":["deny"]}],"dependentRequired":{"resolvesTo":["allow"]},"properties":{"id":{"$ref":"#/$defs/id"},"allow":{"description":"Connections to these are allowed. *.example.com is every name below example.com, * is every name; a name pattern never matches a literal address. public, private, loopback and host are groups of addresses.","$ref":"#/$defs/target"},"deny":{"description":"Connections to these are refused. A denied address or CIDR also refuses names that resolve into it.","$ref":"#/$defs/target"},"protocols":{"$ref":"#/$defs/protocols"},"ports":{"description":"A port, a range, or a list of them. Without it: all ports.","type":["integer","string","array"],"x-expected":"a port from 1 to 65535, a range such as 8000-8100, or a list of them","minimum":1,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$","minItems":1,"items":{"$ref":"#/$defs/connectPort"},"examples":[443,"8000-8100",[80,443,"8000-8100"]]},"resolvesTo":{"description":"Addresses, CIDRs and groups (private, loopback, host) that the names of this rule may resolve to although they are not public.","$ref":"#/$defs/networks"}}};
const schema35 = {"description":"The rule's name in refusals and in the audit log; unique in this file. Without one a rule goes by its position, such as connect[0].","type":"string","x-expected":"a letter, then up to 63 letters, digits, dots, underscores or hyphens","pattern":"^[A-Za-z][A-Za-z0-9._-]{0,63}$"};
const schema36 = {"type":["string","array"],"x-expected":"a name pattern, an address, a CIDR, or a list of them","minLength":1,"minItems":1,"items":{"type":"string","x-expected":"a name pattern, an address or a CIDR","minLength":1},"examples":["*.example.com","192.0.2.1","10.0.0.0/8",["10.0.0.0/8","fd00::/8"],"public"]};
const schema38 = {"description":"What the rule holds for. Without it an allow holds for TCP alone, and a deny for all.","type":["string","array"],"x-expected":"tcp, udp, or a list of them","pattern":"^(tcp|udp)$","minItems":1,"items":{"type":"string","x-expected":"tcp or udp","pattern":"^(tcp|udp)$"},"examples":["udp",["tcp","udp"]]};
const schema39 = {"type":["integer","string"],"x-expected":"a port from 1 to 65535, or a range such as 8000-8100","minimum":1,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$"};
const schema40 = {"type":["string","array"],"x-expected":"an address, a CIDR, or a list of them","minLength":1,"minItems":1,"items":{"type":"string","x-expected":"an address or a CIDR","minLength":1},"examples":["127.0.0.1","10.1.0.0/16",["10.0.0.0/8","fd00::/8"]]};
const pattern8 = new RegExp("^(tcp|udp)$", "u");
const pattern10 = new RegExp("^[0-9]{1,5}(-[0-9]{1,5})?$", "u");

function validate21(data, {instancePath="", parentData, parentDataProperty, rootData=data, dynamicAnchors={}}={}){
let vErrors = null;
let errors = 0;
const evaluated0 = validate21.evaluated;
if(evaluated0.dynamicProps){
evaluated0.props = undefined;
}
if(evaluated0.dynamicItems){
evaluated0.items = undefined;
}
const _errs1 = errors;
let valid0 = false;
let passing0 = null;
const _errs2 = errors;
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.allow === undefined){
const err0 = {instancePath,schemaPath:"#/oneOf/0/required",keyword:"required",params:{missingProperty: "allow"},message:"must have required property '"+"allow"+"'",schema:schema34.oneOf[0].required,parentSchema:schema34.oneOf[0],data};
if(vErrors === null){
vErrors = [err0];
}
else {
vErrors.push(err0);
}
errors++;
}
}
var _valid0 = _errs2 === errors;
if(_valid0){
valid0 = true;
passing0 = 0;
}
const _errs3 = errors;
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.deny === undefined){
const err1 = {instancePath,schemaPath:"#/oneOf/1/required",keyword:"required",params:{missingProperty: "deny"},message:"must have required property '"+"deny"+"'",schema:schema34.oneOf[1].required,parentSchema:schema34.oneOf[1],data};
if(vErrors === null){
vErrors = [err1];
}
else {
vErrors.push(err1);
}
errors++;
}
}
var _valid0 = _errs3 === errors;
if(_valid0 && valid0){
valid0 = false;
passing0 = [passing0, 1];
}
else {
if(_valid0){
valid0 = true;
passing0 = 1;
}
}
if(!valid0){
const err2 = {instancePath,schemaPath:"#/oneOf",keyword:"oneOf",params:{passingSchemas: passing0},message:"must match exactly one schema in oneOf",schema:schema34.oneOf,parentSchema:schema34,data};
if(vErrors === null){
vErrors = [err2];
}
else {
vErrors.push(err2);
}
errors++;
}
else {
errors = _errs1;
if(vErrors !== null){
if(_errs1){
vErrors.length = _errs1;
}
else {
vErrors = null;
}
}
}
if(data && typeof data == "object" && !Array.isArray(data)){
for(const key0 in data){
if(!((((((key0 === "id") || (key0 === "allow")) || (key0 === "deny")) || (key0 === "protocols")) || (key0 === "ports")) || (key0 === "resolvesTo"))){
const err3 = {instancePath,schemaPath:"#/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key0},message:"must NOT have additional properties",schema:false,parentSchema:schema34,data};
if(vErrors === null){
vErrors = [err3];
}
else {
vErrors.push(err3);
}
errors++;
}
}
if(data.id !== undefined){
let data0 = data.id;
if(typeof data0 === "string"){
if(!pattern7.test(data0)){
const err4 = {instancePath:instancePath+"/id",schemaPath:"#/$defs/id/pattern",keyword:"pattern",params:{pattern: "^[A-Za-z][A-Za-z0-9._-]{0,63}$"},message:"must match pattern \""+"^[A-Za-z][A-Za-z0-9._-]{0,63}$"+"\"",schema:"^[A-Za-z][A-Za-z0-9._-]{0,63}$",parentSchema:schema35,data:data0};
if(vErrors === null){
vErrors = [err4];
}
else {
vErrors.push(err4);
}
errors++;
}
}
else {
const err5 = {instancePath:instancePath+"/id",schemaPath:"#/$defs/id/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema35.type,parentSchema:schema35,data:data0};
if(vErrors === null){
vErrors = [err5];
}
else {
vErrors.push(err5);
}
errors++;
}
}
if(data.allow !== undefined){
let data1 = data.allow;
if((typeof data1 !== "string") && (!(Array.isArray(data1)))){
const err6 = {instancePath:instancePath+"/allow",schemaPath:"#/$defs/target/type",keyword:"type",params:{type: schema36.type},message:"must be string,array",schema:schema36.type,parentSchema:schema36,data:data1};
if(vErrors === null){
vErrors = [err6];
}
else {
vErrors.push(err6);
}
errors++;
}
if(typeof data1 === "string"){
if(func2(data1) < 1){
const err7 = {instancePath:instancePath+"/allow",schemaPath:"#/$defs/target/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema36,data:data1};
if(vErrors === null){
vErrors = [err7];
}
else {
vErrors.push(err7);
}
errors++;
}
}
if(Array.isArray(data1)){
if(data1.length < 1){
const err8 = {instancePath:instancePath+"/allow",schemaPath:"#/$defs/target/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema36,data:data1};
if(vErrors === null){
vErrors = [err8];
}
else {
vErrors.push(err8);
}
errors++;
}
const len0 = data1.length;
for(let i0=0; i0<len0; i0++){
let data2 = data1[i0];
if(typeof data2 === "string"){
if(func2(data2) < 1){
const err9 = {instancePath:instancePath+"/allow/" + i0,schemaPath:"#/$defs/target/items/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema36.items,data:data2};
if(vErrors === null){
vErrors = [err9];
}
else {
vErrors.push(err9);
}
errors++;
}
}
else {
const err10 = {instancePath:instancePath+"/allow/" + i0,schemaPath:"#/$defs/target/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema36.items.type,parentSchema:schema36.items,data:data2};
if(vErrors === null){
vErrors = [err10];
}
else {
vErrors.push(err10);
}
errors++;
}
}
}
}
if(data.deny !== undefined){
let data3 = data.deny;
if((typeof data3 !== "string") && (!(Array.isArray(data3)))){
const err11 = {instancePath:instancePath+"/deny",schemaPath:"#/$defs/target/type",keyword:"type",params:{type: schema36.type},message:"must be string,array",schema:schema36.type,parentSchema:schema36,data:data3};
if(vErrors === null){
vErrors = [err11];
}
else {
vErrors.push(err11);
}
errors++;
}
if(typeof data3 === "string"){
if(func2(data3) < 1){
const err12 = {instancePath:instancePath+"/deny",schemaPath:"#/$defs/target/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema36,data:data3};
if(vErrors === null){
vErrors = [err12];
}
else {
vErrors.push(err12);
}
errors++;
}
}
if(Array.isArray(data3)){
if(data3.length < 1){
const err13 = {instancePath:instancePath+"/deny",schemaPath:"#/$defs/target/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema36,data:data3};
if(vErrors === null){
vErrors = [err13];
}
else {
vErrors.push(err13);
}
errors++;
}
const len1 = data3.length;
for(let i1=0; i1<len1; i1++){
let data4 = data3[i1];
if(typeof data4 === "string"){
if(func2(data4) < 1){
const err14 = {instancePath:instancePath+"/deny/" + i1,schemaPath:"#/$defs/target/items/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema36.items,data:data4};
if(vErrors === null){
vErrors = [err14];
}
else {
vErrors.push(err14);
}
errors++;
}
}
else {
const err15 = {instancePath:instancePath+"/deny/" + i1,schemaPath:"#/$defs/target/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema36.items.type,parentSchema:schema36.items,data:data4};
if(vErrors === null){
vErrors = [err15];
}
else {
vErrors.push(err15);
}
errors++;
}
}
}
}
if(data.protocols !== undefined){
let data5 = data.protocols;
if((typeof data5 !== "string") && (!(Array.isArray(data5)))){
const err16 = {instancePath:instancePath+"/protocols",schemaPath:"#/$defs/protocols/type",keyword:"type",params:{type: schema38.type},message:"must be string,array",schema:schema38.type,parentSchema:schema38,data:data5};
if(vErrors === null){
vErrors = [err16];
}
else {
vErrors.push(err16);
}
errors++;
}
if(typeof data5 === "string"){
if(!pattern8.test(data5)){
const err17 = {instancePath:instancePath+"/protocols",schemaPath:"#/$defs/protocols/pattern",keyword:"pattern",params:{pattern: "^(tcp|udp)$"},message:"must match pattern \""+"^(tcp|udp)$"+"\"",schema:"^(tcp|udp)$",parentSchema:schema38,data:data5};
if(vErrors === null){
vErrors = [err17];
}
else {
vErrors.push(err17);
}
errors++;
}
}
if(Array.isArray(data5)){
if(data5.length < 1){
const err18 = {instancePath:instancePath+"/protocols",schemaPath:"#/$defs/protocols/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema38,data:data5};
if(vErrors === null){
vErrors = [err18];
}
else {
vErrors.push(err18);
}
errors++;
}
const len2 = data5.length;
for(let i2=0; i2<len2; i2++){
let data6 = data5[i2];
if(typeof data6 === "string"){
if(!pattern8.test(data6)){
const err19 = {instancePath:instancePath+"/protocols/" + i2,schemaPath:"#/$defs/protocols/items/pattern",keyword:"pattern",params:{pattern: "^(tcp|udp)$"},message:"must match pattern \""+"^(tcp|udp)$"+"\"",schema:"^(tcp|udp)$",parentSchema:schema38.items,data:data6};
if(vErrors === null){
vErrors = [err19];
}
else {
vErrors.push(err19);
}
errors++;
}
}
else {
const err20 = {instancePath:instancePath+"/protocols/" + i2,schemaPath:"#/$defs/protocols/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema38.items.type,parentSchema:schema38.items,data:data6};
if(vErrors === null){
vErrors = [err20];
}
else {
vErrors.push(err20);
}
errors++;
}
}
}
}
if(data.ports !== undefined){
let data7 = data.ports;
if(((!(((typeof data7 == "number") && (!(data7 % 1) && !isNaN(data7))) && (isFinite(data7)))) && (typeof data7 !== "string")) && (!(Array.isArray(data7)))){
const err21 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/type",keyword:"type",params:{type: schema34.properties.ports.type},message:"must be integer,string,array",schema:schema34.properties.ports.type,parentSchema:schema34.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err21];
}
else {
vErrors.push(err21);
}
errors++;
}
if((typeof data7 == "number") && (isFinite(data7))){
if(data7 > 65535 || isNaN(data7)){
const err22 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/maximum",keyword:"maximum",params:{comparison: "<=", limit: 65535},message:"must be <= 65535",schema:65535,parentSchema:schema34.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err22];
}
else {
vErrors.push(err22);
}
errors++;
}
if(data7 < 1 || isNaN(data7)){
const err23 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema34.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err23];
}
else {
vErrors.push(err23);
}
errors++;
}
}
if(typeof data7 === "string"){
if(!pattern10.test(data7)){
const err24 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/pattern",keyword:"pattern",params:{pattern: "^[0-9]{1,5}(-[0-9]{1,5})?$"},message:"must match pattern \""+"^[0-9]{1,5}(-[0-9]{1,5})?$"+"\"",schema:"^[0-9]{1,5}(-[0-9]{1,5})?$",parentSchema:schema34.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err24];
}
else {
vErrors.push(err24);
}
errors++;
}
}
if(Array.isArray(data7)){
if(data7.length < 1){
const err25 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema34.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err25];
}
else {
vErrors.push(err25);
}
errors++;
}
const len3 = data7.length;
for(let i3=0; i3<len3; i3++){
let data8 = data7[i3];
if((!(((typeof data8 == "number") && (!(data8 % 1) && !isNaN(data8))) && (isFinite(data8)))) && (typeof data8 !== "string")){
const err26 = {instancePath:instancePath+"/ports/" + i3,schemaPath:"#/$defs/connectPort/type",keyword:"type",params:{type: schema39.type},message:"must be integer,string",schema:schema39.type,parentSchema:schema39,data:data8};
if(vErrors === null){
vErrors = [err26];
}
else {
vErrors.push(err26);
}
errors++;
}
if((typeof data8 == "number") && (isFinite(data8))){
if(data8 > 65535 || isNaN(data8)){
const err27 = {instancePath:instancePath+"/ports/" + i3,schemaPath:"#/$defs/connectPort/maximum",keyword:"maximum",params:{comparison: "<=", limit: 65535},message:"must be <= 65535",schema:65535,parentSchema:schema39,data:data8};
if(vErrors === null){
vErrors = [err27];
}
else {
vErrors.push(err27);
}
errors++;
}
if(data8 < 1 || isNaN(data8)){
const err28 = {instancePath:instancePath+"/ports/" + i3,schemaPath:"#/$defs/connectPort/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema39,data:data8};
if(vErrors === null){
vErrors = [err28];
}
else {
vErrors.push(err28);
}
errors++;
}
}
if(typeof data8 === "string"){
if(!pattern10.test(data8)){
const err29 = {instancePath:instancePath+"/ports/" + i3,schemaPath:"#/$defs/connectPort/pattern",keyword:"pattern",params:{pattern: "^[0-9]{1,5}(-[0-9]{1,5})?$"},message:"must match pattern \""+"^[0-9]{1,5}(-[0-9]{1,5})?$"+"\"",schema:"^[0-9]{1,5}(-[0-9]{1,5})?$",parentSchema:schema39,data:data8};
if(vErrors === null){
vErrors = [err29];
}
else {
vErrors.push(err29);
}
errors++;
}
}
}
}
}
if(data.resolvesTo !== undefined){
let data9 = data.resolvesTo;
if((typeof data9 !== "string") && (!(Array.isArray(data9)))){
const err30 = {instancePath:instancePath+"/resolvesTo",schemaPath:"#/$defs/networks/type",keyword:"type",params:{type: schema40.type},message:"must be string,array",schema:schema40.type,parentSchema:schema40,data:data9};
if(vErrors === null){
vErrors = [err30];
}
else {
vErrors.push(err30);
}
errors++;
}
if(typeof data9 === "string"){
if(func2(data9) < 1){
const err31 = {instancePath:instancePath+"/resolvesTo",schemaPath:"#/$defs/networks/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema40,data:data9};
if(vErrors === null){
vErrors = [err31];
}
else {
vErrors.push(err31);
}
errors++;
}
}
if(Array.isArray(data9)){
if(data9.length < 1){
const err32 = {instancePath:instancePath+"/resolvesTo",schemaPath:"#/$defs/networks/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema40,data:data9};
if(vErrors === null){
vErrors = [err32];
}
else {
vErrors.push(err32);
}
errors++;
}
const len4 = data9.length;
for(let i4=0; i4<len4; i4++){
let data10 = data9[i4];
if(typeof data10 === "string"){
if(func2(data10) < 1){
const err33 = {instancePath:instancePath+"/resolvesTo/" + i4,schemaPath:"#/$defs/networks/items/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema40.items,data:data10};
if(vErrors === null){
vErrors = [err33];
}
else {
vErrors.push(err33);
}
errors++;
}
}
else {
const err34 = {instancePath:instancePath+"/resolvesTo/" + i4,schemaPath:"#/$defs/networks/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema40.items.type,parentSchema:schema40.items,data:data10};
if(vErrors === null){
vErrors = [err34];
}
else {
vErrors.push(err34);
}
errors++;
}
}
}
}
if(data.resolvesTo !== undefined){
if(data.allow === undefined){
const err35 = {instancePath,schemaPath:"#/dependentRequired",keyword:"dependentRequired",params:{property: "resolvesTo",
    missingProperty: "allow",
    depsCount: 1,
    deps: "allow"},message:"must have property allow when property resolvesTo is present",schema:schema34.dependentRequired,parentSchema:schema34,data};
if(vErrors === null){
vErrors = [err35];
}
else {
vErrors.push(err35);
}
errors++;
}
}
}
else {
const err36 = {instancePath,schemaPath:"#/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema34.type,parentSchema:schema34,data};
if(vErrors === null){
vErrors = [err36];
}
else {
vErrors.push(err36);
}
errors++;
}
validate21.errors = vErrors;
return errors === 0;
}
validate21.evaluated = {"props":true,"dynamicProps":false,"dynamicItems":false};

const schema41 = {"type":"object","x-expected":"a map with allow or deny, and ports","additionalProperties":false,"required":["ports"],"oneOf":[{"required":["allow"]},{"required":["deny"]}],"properties":{"id":{"$ref":"#/$defs/id"},"allow":{"description":"The guest may listen on these addresses of the host.","$ref":"#/$defs/networks"},"deny":{"description":"The guest may not listen on these addresses of the host.","$ref":"#/$defs/networks"},"protocols":{"$ref":"#/$defs/protocols"},"ports":{"description":"A port, a range, or a list of them. 0 stands for a port that the host picks.","type":["integer","string","array"],"x-expected":"a port from 0 to 65535, a range such as 8000-8100, or a list of them","minimum":0,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$","minItems":1,"items":{"$ref":"#/$defs/listenPort"},"examples":[8080,[0,"8000-8999"]]}}};
const schema46 = {"type":["integer","string"],"x-expected":"a port from 0 to 65535, or a range such as 8000-8100","minimum":0,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$"};

function validate23(data, {instancePath="", parentData, parentDataProperty, rootData=data, dynamicAnchors={}}={}){
let vErrors = null;
let errors = 0;
const evaluated0 = validate23.evaluated;
if(evaluated0.dynamicProps){
evaluated0.props = undefined;
}
if(evaluated0.dynamicItems){
evaluated0.items = undefined;
}
const _errs1 = errors;
let valid0 = false;
let passing0 = null;
const _errs2 = errors;
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.allow === undefined){
const err0 = {instancePath,schemaPath:"#/oneOf/0/required",keyword:"required",params:{missingProperty: "allow"},message:"must have required property '"+"allow"+"'",schema:schema41.oneOf[0].required,parentSchema:schema41.oneOf[0],data};
if(vErrors === null){
vErrors = [err0];
}
else {
vErrors.push(err0);
}
errors++;
}
}
var _valid0 = _errs2 === errors;
if(_valid0){
valid0 = true;
passing0 = 0;
}
const _errs3 = errors;
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.deny === undefined){
const err1 = {instancePath,schemaPath:"#/oneOf/1/required",keyword:"required",params:{missingProperty: "deny"},message:"must have required property '"+"deny"+"'",schema:schema41.oneOf[1].required,parentSchema:schema41.oneOf[1],data};
if(vErrors === null){
vErrors = [err1];
}
else {
vErrors.push(err1);
}
errors++;
}
}
var _valid0 = _errs3 === errors;
if(_valid0 && valid0){
valid0 = false;
passing0 = [passing0, 1];
}
else {
if(_valid0){
valid0 = true;
passing0 = 1;
}
}
if(!valid0){
const err2 = {instancePath,schemaPath:"#/oneOf",keyword:"oneOf",params:{passingSchemas: passing0},message:"must match exactly one schema in oneOf",schema:schema41.oneOf,parentSchema:schema41,data};
if(vErrors === null){
vErrors = [err2];
}
else {
vErrors.push(err2);
}
errors++;
}
else {
errors = _errs1;
if(vErrors !== null){
if(_errs1){
vErrors.length = _errs1;
}
else {
vErrors = null;
}
}
}
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.ports === undefined){
const err3 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "ports"},message:"must have required property '"+"ports"+"'",schema:schema41.required,parentSchema:schema41,data};
if(vErrors === null){
vErrors = [err3];
}
else {
vErrors.push(err3);
}
errors++;
}
for(const key0 in data){
if(!(((((key0 === "id") || (key0 === "allow")) || (key0 === "deny")) || (key0 === "protocols")) || (key0 === "ports"))){
const err4 = {instancePath,schemaPath:"#/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key0},message:"must NOT have additional properties",schema:false,parentSchema:schema41,data};
if(vErrors === null){
vErrors = [err4];
}
else {
vErrors.push(err4);
}
errors++;
}
}
if(data.id !== undefined){
let data0 = data.id;
if(typeof data0 === "string"){
if(!pattern7.test(data0)){
const err5 = {instancePath:instancePath+"/id",schemaPath:"#/$defs/id/pattern",keyword:"pattern",params:{pattern: "^[A-Za-z][A-Za-z0-9._-]{0,63}$"},message:"must match pattern \""+"^[A-Za-z][A-Za-z0-9._-]{0,63}$"+"\"",schema:"^[A-Za-z][A-Za-z0-9._-]{0,63}$",parentSchema:schema35,data:data0};
if(vErrors === null){
vErrors = [err5];
}
else {
vErrors.push(err5);
}
errors++;
}
}
else {
const err6 = {instancePath:instancePath+"/id",schemaPath:"#/$defs/id/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema35.type,parentSchema:schema35,data:data0};
if(vErrors === null){
vErrors = [err6];
}
else {
vErrors.push(err6);
}
errors++;
}
}
if(data.allow !== undefined){
let data1 = data.allow;
if((typeof data1 !== "string") && (!(Array.isArray(data1)))){
const err7 = {instancePath:instancePath+"/allow",schemaPath:"#/$defs/networks/type",keyword:"type",params:{type: schema40.type},message:"must be string,array",schema:schema40.type,parentSchema:schema40,data:data1};
if(vErrors === null){
vErrors = [err7];
}
else {
vErrors.push(err7);
}
errors++;
}
if(typeof data1 === "string"){
if(func2(data1) < 1){
const err8 = {instancePath:instancePath+"/allow",schemaPath:"#/$defs/networks/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema40,data:data1};
if(vErrors === null){
vErrors = [err8];
}
else {
vErrors.push(err8);
}
errors++;
}
}
if(Array.isArray(data1)){
if(data1.length < 1){
const err9 = {instancePath:instancePath+"/allow",schemaPath:"#/$defs/networks/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema40,data:data1};
if(vErrors === null){
vErrors = [err9];
}
else {
vErrors.push(err9);
}
errors++;
}
const len0 = data1.length;
for(let i0=0; i0<len0; i0++){
let data2 = data1[i0];
if(typeof data2 === "string"){
if(func2(data2) < 1){
const err10 = {instancePath:instancePath+"/allow/" + i0,schemaPath:"#/$defs/networks/items/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema40.items,data:data2};
if(vErrors === null){
vErrors = [err10];
}
else {
vErrors.push(err10);
}
errors++;
}
}
else {
const err11 = {instancePath:instancePath+"/allow/" + i0,schemaPath:"#/$defs/networks/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema40.items.type,parentSchema:schema40.items,data:data2};
if(vErrors === null){
vErrors = [err11];
}
else {
vErrors.push(err11);
}
errors++;
}
}
}
}
if(data.deny !== undefined){
let data3 = data.deny;
if((typeof data3 !== "string") && (!(Array.isArray(data3)))){
const err12 = {instancePath:instancePath+"/deny",schemaPath:"#/$defs/networks/type",keyword:"type",params:{type: schema40.type},message:"must be string,array",schema:schema40.type,parentSchema:schema40,data:data3};
if(vErrors === null){
vErrors = [err12];
}
else {
vErrors.push(err12);
}
errors++;
}
if(typeof data3 === "string"){
if(func2(data3) < 1){
const err13 = {instancePath:instancePath+"/deny",schemaPath:"#/$defs/networks/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema40,data:data3};
if(vErrors === null){
vErrors = [err13];
}
else {
vErrors.push(err13);
}
errors++;
}
}
if(Array.isArray(data3)){
if(data3.length < 1){
const err14 = {instancePath:instancePath+"/deny",schemaPath:"#/$defs/networks/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema40,data:data3};
if(vErrors === null){
vErrors = [err14];
}
else {
vErrors.push(err14);
}
errors++;
}
const len1 = data3.length;
for(let i1=0; i1<len1; i1++){
let data4 = data3[i1];
if(typeof data4 === "string"){
if(func2(data4) < 1){
const err15 = {instancePath:instancePath+"/deny/" + i1,schemaPath:"#/$defs/networks/items/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema40.items,data:data4};
if(vErrors === null){
vErrors = [err15];
}
else {
vErrors.push(err15);
}
errors++;
}
}
else {
const err16 = {instancePath:instancePath+"/deny/" + i1,schemaPath:"#/$defs/networks/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema40.items.type,parentSchema:schema40.items,data:data4};
if(vErrors === null){
vErrors = [err16];
}
else {
vErrors.push(err16);
}
errors++;
}
}
}
}
if(data.protocols !== undefined){
let data5 = data.protocols;
if((typeof data5 !== "string") && (!(Array.isArray(data5)))){
const err17 = {instancePath:instancePath+"/protocols",schemaPath:"#/$defs/protocols/type",keyword:"type",params:{type: schema38.type},message:"must be string,array",schema:schema38.type,parentSchema:schema38,data:data5};
if(vErrors === null){
vErrors = [err17];
}
else {
vErrors.push(err17);
}
errors++;
}
if(typeof data5 === "string"){
if(!pattern8.test(data5)){
const err18 = {instancePath:instancePath+"/protocols",schemaPath:"#/$defs/protocols/pattern",keyword:"pattern",params:{pattern: "^(tcp|udp)$"},message:"must match pattern \""+"^(tcp|udp)$"+"\"",schema:"^(tcp|udp)$",parentSchema:schema38,data:data5};
if(vErrors === null){
vErrors = [err18];
}
else {
vErrors.push(err18);
}
errors++;
}
}
if(Array.isArray(data5)){
if(data5.length < 1){
const err19 = {instancePath:instancePath+"/protocols",schemaPath:"#/$defs/protocols/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema38,data:data5};
if(vErrors === null){
vErrors = [err19];
}
else {
vErrors.push(err19);
}
errors++;
}
const len2 = data5.length;
for(let i2=0; i2<len2; i2++){
let data6 = data5[i2];
if(typeof data6 === "string"){
if(!pattern8.test(data6)){
const err20 = {instancePath:instancePath+"/protocols/" + i2,schemaPath:"#/$defs/protocols/items/pattern",keyword:"pattern",params:{pattern: "^(tcp|udp)$"},message:"must match pattern \""+"^(tcp|udp)$"+"\"",schema:"^(tcp|udp)$",parentSchema:schema38.items,data:data6};
if(vErrors === null){
vErrors = [err20];
}
else {
vErrors.push(err20);
}
errors++;
}
}
else {
const err21 = {instancePath:instancePath+"/protocols/" + i2,schemaPath:"#/$defs/protocols/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema38.items.type,parentSchema:schema38.items,data:data6};
if(vErrors === null){
vErrors = [err21];
}
else {
vErrors.push(err21);
}
errors++;
}
}
}
}
if(data.ports !== undefined){
let data7 = data.ports;
if(((!(((typeof data7 == "number") && (!(data7 % 1) && !isNaN(data7))) && (isFinite(data7)))) && (typeof data7 !== "string")) && (!(Array.isArray(data7)))){
const err22 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/type",keyword:"type",params:{type: schema41.properties.ports.type},message:"must be integer,string,array",schema:schema41.properties.ports.type,parentSchema:schema41.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err22];
}
else {
vErrors.push(err22);
}
errors++;
}
if((typeof data7 == "number") && (isFinite(data7))){
if(data7 > 65535 || isNaN(data7)){
const err23 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/maximum",keyword:"maximum",params:{comparison: "<=", limit: 65535},message:"must be <= 65535",schema:65535,parentSchema:schema41.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err23];
}
else {
vErrors.push(err23);
}
errors++;
}
if(data7 < 0 || isNaN(data7)){
const err24 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema41.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err24];
}
else {
vErrors.push(err24);
}
errors++;
}
}
if(typeof data7 === "string"){
if(!pattern10.test(data7)){
const err25 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/pattern",keyword:"pattern",params:{pattern: "^[0-9]{1,5}(-[0-9]{1,5})?$"},message:"must match pattern \""+"^[0-9]{1,5}(-[0-9]{1,5})?$"+"\"",schema:"^[0-9]{1,5}(-[0-9]{1,5})?$",parentSchema:schema41.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err25];
}
else {
vErrors.push(err25);
}
errors++;
}
}
if(Array.isArray(data7)){
if(data7.length < 1){
const err26 = {instancePath:instancePath+"/ports",schemaPath:"#/properties/ports/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema41.properties.ports,data:data7};
if(vErrors === null){
vErrors = [err26];
}
else {
vErrors.push(err26);
}
errors++;
}
const len3 = data7.length;
for(let i3=0; i3<len3; i3++){
let data8 = data7[i3];
if((!(((typeof data8 == "number") && (!(data8 % 1) && !isNaN(data8))) && (isFinite(data8)))) && (typeof data8 !== "string")){
const err27 = {instancePath:instancePath+"/ports/" + i3,schemaPath:"#/$defs/listenPort/type",keyword:"type",params:{type: schema46.type},message:"must be integer,string",schema:schema46.type,parentSchema:schema46,data:data8};
if(vErrors === null){
vErrors = [err27];
}
else {
vErrors.push(err27);
}
errors++;
}
if((typeof data8 == "number") && (isFinite(data8))){
if(data8 > 65535 || isNaN(data8)){
const err28 = {instancePath:instancePath+"/ports/" + i3,schemaPath:"#/$defs/listenPort/maximum",keyword:"maximum",params:{comparison: "<=", limit: 65535},message:"must be <= 65535",schema:65535,parentSchema:schema46,data:data8};
if(vErrors === null){
vErrors = [err28];
}
else {
vErrors.push(err28);
}
errors++;
}
if(data8 < 0 || isNaN(data8)){
const err29 = {instancePath:instancePath+"/ports/" + i3,schemaPath:"#/$defs/listenPort/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema46,data:data8};
if(vErrors === null){
vErrors = [err29];
}
else {
vErrors.push(err29);
}
errors++;
}
}
if(typeof data8 === "string"){
if(!pattern10.test(data8)){
const err30 = {instancePath:instancePath+"/ports/" + i3,schemaPath:"#/$defs/listenPort/pattern",keyword:"pattern",params:{pattern: "^[0-9]{1,5}(-[0-9]{1,5})?$"},message:"must match pattern \""+"^[0-9]{1,5}(-[0-9]{1,5})?$"+"\"",schema:"^[0-9]{1,5}(-[0-9]{1,5})?$",parentSchema:schema46,data:data8};
if(vErrors === null){
vErrors = [err30];
}
else {
vErrors.push(err30);
}
errors++;
}
}
}
}
}
}
else {
const err31 = {instancePath,schemaPath:"#/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema41.type,parentSchema:schema41,data};
if(vErrors === null){
vErrors = [err31];
}
else {
vErrors.push(err31);
}
errors++;
}
validate23.errors = vErrors;
return errors === 0;
}
validate23.evaluated = {"props":true,"dynamicProps":false,"dynamicItems":false};

const schema47 = {"type":"object","x-expected":"a map with guest, host and access","additionalProperties":false,"required":["guest","host","access"],"properties":{"id":{"$ref":"#/$defs/id"},"guest":{"description":"Absolute path as the guest names it; the rule covers it and everything below.","type":"string","x-expected":"an absolute path","pattern":"^/[^\\u0000]*$","examples":["/data"]},"host":{"description":"Folder of the host, relative to the folder of this file. Taken as it is written: ~ and ${HOME} are not expanded.","type":"string","x-expected":"a path of the host","minLength":1,"pattern":"^[^\\u0000]*$","examples":["./data"]},"access":{"description":"ro: read only. rw: read and write.","enum":["ro","rw"]},"crossMounts":{"description":"true: guests reach what is mounted below the folder too, but never the kernel's own file systems, such as procfs.","type":"boolean","x-expected":"true or false","default":false},"xattrs":{"description":"Extended attributes that a mount shows, and with rw changes, beside user.*: names, or what they begin with and a *.","type":"array","x-expected":"a list of names of extended attributes","items":{"$ref":"#/$defs/xattr"},"examples":[["security.selinux","trusted.overlay.*"]]},"owner":{"description":"Whose that is what guests make below the folder, and the only owner that they may give a file. Takes a monitor that may make files of others, such as root. Default: the monitor's user.","type":"object","x-expected":"a map with uid and gid","additionalProperties":false,"required":["uid","gid"],"properties":{"uid":{"description":"Number of the user.","$ref":"#/$defs/ownerId"},"gid":{"description":"Number of the group.","$ref":"#/$defs/ownerId"}},"examples":[{"uid":1000,"gid":1000}]}}};
const schema49 = {"type":"string","x-expected":"a name with a dot, or what it begins with and a *, such as trusted.overlay.*","maxLength":255,"pattern":"^[a-z0-9_]+\\.[^\\u0000*]*\\*?$"};
const schema50 = {"type":"integer","x-expected":"a number from 0 to 4294967294","minimum":0,"maximum":4294967294};
const pattern18 = new RegExp("^/[^\\u0000]*$", "u");
const pattern20 = new RegExp("^[a-z0-9_]+\\.[^\\u0000*]*\\*?$", "u");

function validate25(data, {instancePath="", parentData, parentDataProperty, rootData=data, dynamicAnchors={}}={}){
let vErrors = null;
let errors = 0;
const evaluated0 = validate25.evaluated;
if(evaluated0.dynamicProps){
evaluated0.props = undefined;
}
if(evaluated0.dynamicItems){
evaluated0.items = undefined;
}
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.guest === undefined){
const err0 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "guest"},message:"must have required property '"+"guest"+"'",schema:schema47.required,parentSchema:schema47,data};
if(vErrors === null){
vErrors = [err0];
}
else {
vErrors.push(err0);
}
errors++;
}
if(data.host === undefined){
const err1 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "host"},message:"must have required property '"+"host"+"'",schema:schema47.required,parentSchema:schema47,data};
if(vErrors === null){
vErrors = [err1];
}
else {
vErrors.push(err1);
}
errors++;
}
if(data.access === undefined){
const err2 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "access"},message:"must have required property '"+"access"+"'",schema:schema47.required,parentSchema:schema47,data};
if(vErrors === null){
vErrors = [err2];
}
else {
vErrors.push(err2);
}
errors++;
}
for(const key0 in data){
if(!(((((((key0 === "id") || (key0 === "guest")) || (key0 === "host")) || (key0 === "access")) || (key0 === "crossMounts")) || (key0 === "xattrs")) || (key0 === "owner"))){
const err3 = {instancePath,schemaPath:"#/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key0},message:"must NOT have additional properties",schema:false,parentSchema:schema47,data};
if(vErrors === null){
vErrors = [err3];
}
else {
vErrors.push(err3);
}
errors++;
}
}
if(data.id !== undefined){
let data0 = data.id;
if(typeof data0 === "string"){
if(!pattern7.test(data0)){
const err4 = {instancePath:instancePath+"/id",schemaPath:"#/$defs/id/pattern",keyword:"pattern",params:{pattern: "^[A-Za-z][A-Za-z0-9._-]{0,63}$"},message:"must match pattern \""+"^[A-Za-z][A-Za-z0-9._-]{0,63}$"+"\"",schema:"^[A-Za-z][A-Za-z0-9._-]{0,63}$",parentSchema:schema35,data:data0};
if(vErrors === null){
vErrors = [err4];
}
else {
vErrors.push(err4);
}
errors++;
}
}
else {
const err5 = {instancePath:instancePath+"/id",schemaPath:"#/$defs/id/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema35.type,parentSchema:schema35,data:data0};
if(vErrors === null){
vErrors = [err5];
}
else {
vErrors.push(err5);
}
errors++;
}
}
if(data.guest !== undefined){
let data1 = data.guest;
if(typeof data1 === "string"){
if(!pattern18.test(data1)){
const err6 = {instancePath:instancePath+"/guest",schemaPath:"#/properties/guest/pattern",keyword:"pattern",params:{pattern: "^/[^\\u0000]*$"},message:"must match pattern \""+"^/[^\\u0000]*$"+"\"",schema:"^/[^\\u0000]*$",parentSchema:schema47.properties.guest,data:data1};
if(vErrors === null){
vErrors = [err6];
}
else {
vErrors.push(err6);
}
errors++;
}
}
else {
const err7 = {instancePath:instancePath+"/guest",schemaPath:"#/properties/guest/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema47.properties.guest.type,parentSchema:schema47.properties.guest,data:data1};
if(vErrors === null){
vErrors = [err7];
}
else {
vErrors.push(err7);
}
errors++;
}
}
if(data.host !== undefined){
let data2 = data.host;
if(typeof data2 === "string"){
if(func2(data2) < 1){
const err8 = {instancePath:instancePath+"/host",schemaPath:"#/properties/host/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema47.properties.host,data:data2};
if(vErrors === null){
vErrors = [err8];
}
else {
vErrors.push(err8);
}
errors++;
}
if(!pattern4.test(data2)){
const err9 = {instancePath:instancePath+"/host",schemaPath:"#/properties/host/pattern",keyword:"pattern",params:{pattern: "^[^\\u0000]*$"},message:"must match pattern \""+"^[^\\u0000]*$"+"\"",schema:"^[^\\u0000]*$",parentSchema:schema47.properties.host,data:data2};
if(vErrors === null){
vErrors = [err9];
}
else {
vErrors.push(err9);
}
errors++;
}
}
else {
const err10 = {instancePath:instancePath+"/host",schemaPath:"#/properties/host/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema47.properties.host.type,parentSchema:schema47.properties.host,data:data2};
if(vErrors === null){
vErrors = [err10];
}
else {
vErrors.push(err10);
}
errors++;
}
}
if(data.access !== undefined){
let data3 = data.access;
if(!((data3 === "ro") || (data3 === "rw"))){
const err11 = {instancePath:instancePath+"/access",schemaPath:"#/properties/access/enum",keyword:"enum",params:{allowedValues: schema47.properties.access.enum},message:"must be equal to one of the allowed values",schema:schema47.properties.access.enum,parentSchema:schema47.properties.access,data:data3};
if(vErrors === null){
vErrors = [err11];
}
else {
vErrors.push(err11);
}
errors++;
}
}
if(data.crossMounts !== undefined){
let data4 = data.crossMounts;
if(typeof data4 !== "boolean"){
const err12 = {instancePath:instancePath+"/crossMounts",schemaPath:"#/properties/crossMounts/type",keyword:"type",params:{type: "boolean"},message:"must be boolean",schema:schema47.properties.crossMounts.type,parentSchema:schema47.properties.crossMounts,data:data4};
if(vErrors === null){
vErrors = [err12];
}
else {
vErrors.push(err12);
}
errors++;
}
}
if(data.xattrs !== undefined){
let data5 = data.xattrs;
if(Array.isArray(data5)){
const len0 = data5.length;
for(let i0=0; i0<len0; i0++){
let data6 = data5[i0];
if(typeof data6 === "string"){
if(func2(data6) > 255){
const err13 = {instancePath:instancePath+"/xattrs/" + i0,schemaPath:"#/$defs/xattr/maxLength",keyword:"maxLength",params:{limit: 255},message:"must NOT have more than 255 characters",schema:255,parentSchema:schema49,data:data6};
if(vErrors === null){
vErrors = [err13];
}
else {
vErrors.push(err13);
}
errors++;
}
if(!pattern20.test(data6)){
const err14 = {instancePath:instancePath+"/xattrs/" + i0,schemaPath:"#/$defs/xattr/pattern",keyword:"pattern",params:{pattern: "^[a-z0-9_]+\\.[^\\u0000*]*\\*?$"},message:"must match pattern \""+"^[a-z0-9_]+\\.[^\\u0000*]*\\*?$"+"\"",schema:"^[a-z0-9_]+\\.[^\\u0000*]*\\*?$",parentSchema:schema49,data:data6};
if(vErrors === null){
vErrors = [err14];
}
else {
vErrors.push(err14);
}
errors++;
}
}
else {
const err15 = {instancePath:instancePath+"/xattrs/" + i0,schemaPath:"#/$defs/xattr/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema49.type,parentSchema:schema49,data:data6};
if(vErrors === null){
vErrors = [err15];
}
else {
vErrors.push(err15);
}
errors++;
}
}
}
else {
const err16 = {instancePath:instancePath+"/xattrs",schemaPath:"#/properties/xattrs/type",keyword:"type",params:{type: "array"},message:"must be array",schema:schema47.properties.xattrs.type,parentSchema:schema47.properties.xattrs,data:data5};
if(vErrors === null){
vErrors = [err16];
}
else {
vErrors.push(err16);
}
errors++;
}
}
if(data.owner !== undefined){
let data7 = data.owner;
if(data7 && typeof data7 == "object" && !Array.isArray(data7)){
if(data7.uid === undefined){
const err17 = {instancePath:instancePath+"/owner",schemaPath:"#/properties/owner/required",keyword:"required",params:{missingProperty: "uid"},message:"must have required property '"+"uid"+"'",schema:schema47.properties.owner.required,parentSchema:schema47.properties.owner,data:data7};
if(vErrors === null){
vErrors = [err17];
}
else {
vErrors.push(err17);
}
errors++;
}
if(data7.gid === undefined){
const err18 = {instancePath:instancePath+"/owner",schemaPath:"#/properties/owner/required",keyword:"required",params:{missingProperty: "gid"},message:"must have required property '"+"gid"+"'",schema:schema47.properties.owner.required,parentSchema:schema47.properties.owner,data:data7};
if(vErrors === null){
vErrors = [err18];
}
else {
vErrors.push(err18);
}
errors++;
}
for(const key1 in data7){
if(!((key1 === "uid") || (key1 === "gid"))){
const err19 = {instancePath:instancePath+"/owner",schemaPath:"#/properties/owner/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key1},message:"must NOT have additional properties",schema:false,parentSchema:schema47.properties.owner,data:data7};
if(vErrors === null){
vErrors = [err19];
}
else {
vErrors.push(err19);
}
errors++;
}
}
if(data7.uid !== undefined){
let data8 = data7.uid;
if(!(((typeof data8 == "number") && (!(data8 % 1) && !isNaN(data8))) && (isFinite(data8)))){
const err20 = {instancePath:instancePath+"/owner/uid",schemaPath:"#/$defs/ownerId/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema50.type,parentSchema:schema50,data:data8};
if(vErrors === null){
vErrors = [err20];
}
else {
vErrors.push(err20);
}
errors++;
}
if((typeof data8 == "number") && (isFinite(data8))){
if(data8 > 4294967294 || isNaN(data8)){
const err21 = {instancePath:instancePath+"/owner/uid",schemaPath:"#/$defs/ownerId/maximum",keyword:"maximum",params:{comparison: "<=", limit: 4294967294},message:"must be <= 4294967294",schema:4294967294,parentSchema:schema50,data:data8};
if(vErrors === null){
vErrors = [err21];
}
else {
vErrors.push(err21);
}
errors++;
}
if(data8 < 0 || isNaN(data8)){
const err22 = {instancePath:instancePath+"/owner/uid",schemaPath:"#/$defs/ownerId/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema50,data:data8};
if(vErrors === null){
vErrors = [err22];
}
else {
vErrors.push(err22);
}
errors++;
}
}
}
if(data7.gid !== undefined){
let data9 = data7.gid;
if(!(((typeof data9 == "number") && (!(data9 % 1) && !isNaN(data9))) && (isFinite(data9)))){
const err23 = {instancePath:instancePath+"/owner/gid",schemaPath:"#/$defs/ownerId/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema50.type,parentSchema:schema50,data:data9};
if(vErrors === null){
vErrors = [err23];
}
else {
vErrors.push(err23);
}
errors++;
}
if((typeof data9 == "number") && (isFinite(data9))){
if(data9 > 4294967294 || isNaN(data9)){
const err24 = {instancePath:instancePath+"/owner/gid",schemaPath:"#/$defs/ownerId/maximum",keyword:"maximum",params:{comparison: "<=", limit: 4294967294},message:"must be <= 4294967294",schema:4294967294,parentSchema:schema50,data:data9};
if(vErrors === null){
vErrors = [err24];
}
else {
vErrors.push(err24);
}
errors++;
}
if(data9 < 0 || isNaN(data9)){
const err25 = {instancePath:instancePath+"/owner/gid",schemaPath:"#/$defs/ownerId/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema50,data:data9};
if(vErrors === null){
vErrors = [err25];
}
else {
vErrors.push(err25);
}
errors++;
}
}
}
}
else {
const err26 = {instancePath:instancePath+"/owner",schemaPath:"#/properties/owner/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema47.properties.owner.type,parentSchema:schema47.properties.owner,data:data7};
if(vErrors === null){
vErrors = [err26];
}
else {
vErrors.push(err26);
}
errors++;
}
}
}
else {
const err27 = {instancePath,schemaPath:"#/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema47.type,parentSchema:schema47,data};
if(vErrors === null){
vErrors = [err27];
}
else {
vErrors.push(err27);
}
errors++;
}
validate25.errors = vErrors;
return errors === 0;
}
validate25.evaluated = {"props":true,"dynamicProps":false,"dynamicItems":false};

const schema52 = {"type":"object","x-expected":"a map with guest, host and access","additionalProperties":false,"required":["guest","host","access"],"properties":{"id":{"$ref":"#/$defs/id"},"guest":{"description":"Absolute path of the socket as the guest names it; the rule covers this path alone.","type":"string","x-expected":"an absolute path","pattern":"^/[^\\u0000]*$","examples":["/run/agent.sock"]},"host":{"description":"The socket on the host, in a folder that exists, relative to the folder of this file. Taken as it is written: ~ and ${HOME} are not expanded.","type":"string","x-expected":"a path of the host","minLength":1,"pattern":"^[^\\u0000]*$","examples":["./agent.sock"]},"access":{"description":"connect: the guest connects to whoever listens there. listen: the guest listens there itself.","enum":["connect","listen"]}}};

function validate27(data, {instancePath="", parentData, parentDataProperty, rootData=data, dynamicAnchors={}}={}){
let vErrors = null;
let errors = 0;
const evaluated0 = validate27.evaluated;
if(evaluated0.dynamicProps){
evaluated0.props = undefined;
}
if(evaluated0.dynamicItems){
evaluated0.items = undefined;
}
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.guest === undefined){
const err0 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "guest"},message:"must have required property '"+"guest"+"'",schema:schema52.required,parentSchema:schema52,data};
if(vErrors === null){
vErrors = [err0];
}
else {
vErrors.push(err0);
}
errors++;
}
if(data.host === undefined){
const err1 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "host"},message:"must have required property '"+"host"+"'",schema:schema52.required,parentSchema:schema52,data};
if(vErrors === null){
vErrors = [err1];
}
else {
vErrors.push(err1);
}
errors++;
}
if(data.access === undefined){
const err2 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "access"},message:"must have required property '"+"access"+"'",schema:schema52.required,parentSchema:schema52,data};
if(vErrors === null){
vErrors = [err2];
}
else {
vErrors.push(err2);
}
errors++;
}
for(const key0 in data){
if(!((((key0 === "id") || (key0 === "guest")) || (key0 === "host")) || (key0 === "access"))){
const err3 = {instancePath,schemaPath:"#/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key0},message:"must NOT have additional properties",schema:false,parentSchema:schema52,data};
if(vErrors === null){
vErrors = [err3];
}
else {
vErrors.push(err3);
}
errors++;
}
}
if(data.id !== undefined){
let data0 = data.id;
if(typeof data0 === "string"){
if(!pattern7.test(data0)){
const err4 = {instancePath:instancePath+"/id",schemaPath:"#/$defs/id/pattern",keyword:"pattern",params:{pattern: "^[A-Za-z][A-Za-z0-9._-]{0,63}$"},message:"must match pattern \""+"^[A-Za-z][A-Za-z0-9._-]{0,63}$"+"\"",schema:"^[A-Za-z][A-Za-z0-9._-]{0,63}$",parentSchema:schema35,data:data0};
if(vErrors === null){
vErrors = [err4];
}
else {
vErrors.push(err4);
}
errors++;
}
}
else {
const err5 = {instancePath:instancePath+"/id",schemaPath:"#/$defs/id/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema35.type,parentSchema:schema35,data:data0};
if(vErrors === null){
vErrors = [err5];
}
else {
vErrors.push(err5);
}
errors++;
}
}
if(data.guest !== undefined){
let data1 = data.guest;
if(typeof data1 === "string"){
if(!pattern18.test(data1)){
const err6 = {instancePath:instancePath+"/guest",schemaPath:"#/properties/guest/pattern",keyword:"pattern",params:{pattern: "^/[^\\u0000]*$"},message:"must match pattern \""+"^/[^\\u0000]*$"+"\"",schema:"^/[^\\u0000]*$",parentSchema:schema52.properties.guest,data:data1};
if(vErrors === null){
vErrors = [err6];
}
else {
vErrors.push(err6);
}
errors++;
}
}
else {
const err7 = {instancePath:instancePath+"/guest",schemaPath:"#/properties/guest/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema52.properties.guest.type,parentSchema:schema52.properties.guest,data:data1};
if(vErrors === null){
vErrors = [err7];
}
else {
vErrors.push(err7);
}
errors++;
}
}
if(data.host !== undefined){
let data2 = data.host;
if(typeof data2 === "string"){
if(func2(data2) < 1){
const err8 = {instancePath:instancePath+"/host",schemaPath:"#/properties/host/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema52.properties.host,data:data2};
if(vErrors === null){
vErrors = [err8];
}
else {
vErrors.push(err8);
}
errors++;
}
if(!pattern4.test(data2)){
const err9 = {instancePath:instancePath+"/host",schemaPath:"#/properties/host/pattern",keyword:"pattern",params:{pattern: "^[^\\u0000]*$"},message:"must match pattern \""+"^[^\\u0000]*$"+"\"",schema:"^[^\\u0000]*$",parentSchema:schema52.properties.host,data:data2};
if(vErrors === null){
vErrors = [err9];
}
else {
vErrors.push(err9);
}
errors++;
}
}
else {
const err10 = {instancePath:instancePath+"/host",schemaPath:"#/properties/host/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema52.properties.host.type,parentSchema:schema52.properties.host,data:data2};
if(vErrors === null){
vErrors = [err10];
}
else {
vErrors.push(err10);
}
errors++;
}
}
if(data.access !== undefined){
let data3 = data.access;
if(!((data3 === "connect") || (data3 === "listen"))){
const err11 = {instancePath:instancePath+"/access",schemaPath:"#/properties/access/enum",keyword:"enum",params:{allowedValues: schema52.properties.access.enum},message:"must be equal to one of the allowed values",schema:schema52.properties.access.enum,parentSchema:schema52.properties.access,data:data3};
if(vErrors === null){
vErrors = [err11];
}
else {
vErrors.push(err11);
}
errors++;
}
}
}
else {
const err12 = {instancePath,schemaPath:"#/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema52.type,parentSchema:schema52,data};
if(vErrors === null){
vErrors = [err12];
}
else {
vErrors.push(err12);
}
errors++;
}
validate27.errors = vErrors;
return errors === 0;
}
validate27.evaluated = {"props":true,"dynamicProps":false,"dynamicItems":false};


function validate20(data, {instancePath="", parentData, parentDataProperty, rootData=data, dynamicAnchors={}}={}){
/*# sourceURL="urn:ringway:policy:1" */;
let vErrors = null;
let errors = 0;
const evaluated0 = validate20.evaluated;
if(evaluated0.dynamicProps){
evaluated0.props = undefined;
}
if(evaluated0.dynamicItems){
evaluated0.items = undefined;
}
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.version === undefined){
const err0 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "version"},message:"must have required property '"+"version"+"'",schema:schema31.required,parentSchema:schema31,data};
if(vErrors === null){
vErrors = [err0];
}
else {
vErrors.push(err0);
}
errors++;
}
for(const key0 in data){
if(!(func1.call(schema31.properties, key0))){
const err1 = {instancePath,schemaPath:"#/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key0},message:"must NOT have additional properties",schema:false,parentSchema:schema31,data};
if(vErrors === null){
vErrors = [err1];
}
else {
vErrors.push(err1);
}
errors++;
}
}
if(data.version !== undefined){
let data0 = data.version;
if(1 !== data0){
const err2 = {instancePath:instancePath+"/version",schemaPath:"#/properties/version/const",keyword:"const",params:{allowedValue: 1},message:"must be equal to constant",schema:1,parentSchema:schema31.properties.version,data:data0};
if(vErrors === null){
vErrors = [err2];
}
else {
vErrors.push(err2);
}
errors++;
}
}
if(data.guest !== undefined){
let data1 = data.guest;
if(data1 && typeof data1 == "object" && !Array.isArray(data1)){
for(const key1 in data1){
if(!((key1 === "argv") || (key1 === "env"))){
const err3 = {instancePath:instancePath+"/guest",schemaPath:"#/properties/guest/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key1},message:"must NOT have additional properties",schema:false,parentSchema:schema31.properties.guest,data:data1};
if(vErrors === null){
vErrors = [err3];
}
else {
vErrors.push(err3);
}
errors++;
}
}
if(data1.argv !== undefined){
let data2 = data1.argv;
if(Array.isArray(data2)){
if(data2.length > 4096){
const err4 = {instancePath:instancePath+"/guest/argv",schemaPath:"#/properties/guest/properties/argv/maxItems",keyword:"maxItems",params:{limit: 4096},message:"must NOT have more than 4096 items",schema:4096,parentSchema:schema31.properties.guest.properties.argv,data:data2};
if(vErrors === null){
vErrors = [err4];
}
else {
vErrors.push(err4);
}
errors++;
}
const len0 = data2.length;
for(let i0=0; i0<len0; i0++){
let data3 = data2[i0];
if(typeof data3 === "string"){
if(!pattern4.test(data3)){
const err5 = {instancePath:instancePath+"/guest/argv/" + i0,schemaPath:"#/$defs/text/pattern",keyword:"pattern",params:{pattern: "^[^\\u0000]*$"},message:"must match pattern \""+"^[^\\u0000]*$"+"\"",schema:"^[^\\u0000]*$",parentSchema:schema32,data:data3};
if(vErrors === null){
vErrors = [err5];
}
else {
vErrors.push(err5);
}
errors++;
}
}
else {
const err6 = {instancePath:instancePath+"/guest/argv/" + i0,schemaPath:"#/$defs/text/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema32.type,parentSchema:schema32,data:data3};
if(vErrors === null){
vErrors = [err6];
}
else {
vErrors.push(err6);
}
errors++;
}
}
}
else {
const err7 = {instancePath:instancePath+"/guest/argv",schemaPath:"#/properties/guest/properties/argv/type",keyword:"type",params:{type: "array"},message:"must be array",schema:schema31.properties.guest.properties.argv.type,parentSchema:schema31.properties.guest.properties.argv,data:data2};
if(vErrors === null){
vErrors = [err7];
}
else {
vErrors.push(err7);
}
errors++;
}
}
if(data1.env !== undefined){
let data4 = data1.env;
if(data4 && typeof data4 == "object" && !Array.isArray(data4)){
if(Object.keys(data4).length > 4096){
const err8 = {instancePath:instancePath+"/guest/env",schemaPath:"#/properties/guest/properties/env/maxProperties",keyword:"maxProperties",params:{limit: 4096},message:"must NOT have more than 4096 properties",schema:4096,parentSchema:schema31.properties.guest.properties.env,data:data4};
if(vErrors === null){
vErrors = [err8];
}
else {
vErrors.push(err8);
}
errors++;
}
for(const key2 in data4){
const _errs13 = errors;
if(typeof key2 === "string"){
if(!pattern5.test(key2)){
const err9 = {instancePath:instancePath+"/guest/env",schemaPath:"#/properties/guest/properties/env/propertyNames/pattern",keyword:"pattern",params:{pattern: "^[^=\\u0000]+$"},message:"must match pattern \""+"^[^=\\u0000]+$"+"\"",schema:"^[^=\\u0000]+$",parentSchema:schema31.properties.guest.properties.env.propertyNames,data:key2,propertyName:key2};
if(vErrors === null){
vErrors = [err9];
}
else {
vErrors.push(err9);
}
errors++;
}
}
var valid5 = _errs13 === errors;
if(!valid5){
const err10 = {instancePath:instancePath+"/guest/env",schemaPath:"#/properties/guest/properties/env/propertyNames",keyword:"propertyNames",params:{propertyName: key2},message:"property name must be valid",schema:schema31.properties.guest.properties.env.propertyNames,parentSchema:schema31.properties.guest.properties.env,data:data4};
if(vErrors === null){
vErrors = [err10];
}
else {
vErrors.push(err10);
}
errors++;
}
}
for(const key3 in data4){
let data5 = data4[key3];
if(typeof data5 === "string"){
if(!pattern4.test(data5)){
const err11 = {instancePath:instancePath+"/guest/env/" + key3.replace(/~/g, "~0").replace(/\//g, "~1"),schemaPath:"#/$defs/text/pattern",keyword:"pattern",params:{pattern: "^[^\\u0000]*$"},message:"must match pattern \""+"^[^\\u0000]*$"+"\"",schema:"^[^\\u0000]*$",parentSchema:schema32,data:data5};
if(vErrors === null){
vErrors = [err11];
}
else {
vErrors.push(err11);
}
errors++;
}
}
else {
const err12 = {instancePath:instancePath+"/guest/env/" + key3.replace(/~/g, "~0").replace(/\//g, "~1"),schemaPath:"#/$defs/text/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema32.type,parentSchema:schema32,data:data5};
if(vErrors === null){
vErrors = [err12];
}
else {
vErrors.push(err12);
}
errors++;
}
}
}
else {
const err13 = {instancePath:instancePath+"/guest/env",schemaPath:"#/properties/guest/properties/env/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.properties.guest.properties.env.type,parentSchema:schema31.properties.guest.properties.env,data:data4};
if(vErrors === null){
vErrors = [err13];
}
else {
vErrors.push(err13);
}
errors++;
}
}
}
else {
const err14 = {instancePath:instancePath+"/guest",schemaPath:"#/properties/guest/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.properties.guest.type,parentSchema:schema31.properties.guest,data:data1};
if(vErrors === null){
vErrors = [err14];
}
else {
vErrors.push(err14);
}
errors++;
}
}
if(data.refusals !== undefined){
let data6 = data.refusals;
if(!((data6 === "explain") || (data6 === "hide"))){
const err15 = {instancePath:instancePath+"/refusals",schemaPath:"#/properties/refusals/enum",keyword:"enum",params:{allowedValues: schema31.properties.refusals.enum},message:"must be equal to one of the allowed values",schema:schema31.properties.refusals.enum,parentSchema:schema31.properties.refusals,data:data6};
if(vErrors === null){
vErrors = [err15];
}
else {
vErrors.push(err15);
}
errors++;
}
}
if(data.audit !== undefined){
let data7 = data.audit;
if(!((data7 === "required") || (data7 === "best-effort"))){
const err16 = {instancePath:instancePath+"/audit",schemaPath:"#/properties/audit/enum",keyword:"enum",params:{allowedValues: schema31.properties.audit.enum},message:"must be equal to one of the allowed values",schema:schema31.properties.audit.enum,parentSchema:schema31.properties.audit,data:data7};
if(vErrors === null){
vErrors = [err16];
}
else {
vErrors.push(err16);
}
errors++;
}
}
if(data.audited !== undefined){
let data8 = data.audited;
if(!((data8 === "all") || (data8 === "refusals"))){
const err17 = {instancePath:instancePath+"/audited",schemaPath:"#/properties/audited/enum",keyword:"enum",params:{allowedValues: schema31.properties.audited.enum},message:"must be equal to one of the allowed values",schema:schema31.properties.audited.enum,parentSchema:schema31.properties.audited,data:data8};
if(vErrors === null){
vErrors = [err17];
}
else {
vErrors.push(err17);
}
errors++;
}
}
if(data.connect !== undefined){
let data9 = data.connect;
if(Array.isArray(data9)){
const len1 = data9.length;
for(let i1=0; i1<len1; i1++){
if(!(validate21(data9[i1], {instancePath:instancePath+"/connect/" + i1,parentData:data9,parentDataProperty:i1,rootData,dynamicAnchors}))){
vErrors = joined(vErrors, validate21.errors);
errors = vErrors.length;
}
}
}
else {
const err18 = {instancePath:instancePath+"/connect",schemaPath:"#/properties/connect/type",keyword:"type",params:{type: "array"},message:"must be array",schema:schema31.properties.connect.type,parentSchema:schema31.properties.connect,data:data9};
if(vErrors === null){
vErrors = [err18];
}
else {
vErrors.push(err18);
}
errors++;
}
}
if(data.listen !== undefined){
let data11 = data.listen;
if(Array.isArray(data11)){
const len2 = data11.length;
for(let i2=0; i2<len2; i2++){
if(!(validate23(data11[i2], {instancePath:instancePath+"/listen/" + i2,parentData:data11,parentDataProperty:i2,rootData,dynamicAnchors}))){
vErrors = joined(vErrors, validate23.errors);
errors = vErrors.length;
}
}
}
else {
const err19 = {instancePath:instancePath+"/listen",schemaPath:"#/properties/listen/type",keyword:"type",params:{type: "array"},message:"must be array",schema:schema31.properties.listen.type,parentSchema:schema31.properties.listen,data:data11};
if(vErrors === null){
vErrors = [err19];
}
else {
vErrors.push(err19);
}
errors++;
}
}
if(data.files !== undefined){
let data13 = data.files;
if(Array.isArray(data13)){
const len3 = data13.length;
for(let i3=0; i3<len3; i3++){
if(!(validate25(data13[i3], {instancePath:instancePath+"/files/" + i3,parentData:data13,parentDataProperty:i3,rootData,dynamicAnchors}))){
vErrors = joined(vErrors, validate25.errors);
errors = vErrors.length;
}
}
}
else {
const err20 = {instancePath:instancePath+"/files",schemaPath:"#/properties/files/type",keyword:"type",params:{type: "array"},message:"must be array",schema:schema31.properties.files.type,parentSchema:schema31.properties.files,data:data13};
if(vErrors === null){
vErrors = [err20];
}
else {
vErrors.push(err20);
}
errors++;
}
}
if(data.sockets !== undefined){
let data15 = data.sockets;
if(Array.isArray(data15)){
const len4 = data15.length;
for(let i4=0; i4<len4; i4++){
if(!(validate27(data15[i4], {instancePath:instancePath+"/sockets/" + i4,parentData:data15,parentDataProperty:i4,rootData,dynamicAnchors}))){
vErrors = joined(vErrors, validate27.errors);
errors = vErrors.length;
}
}
}
else {
const err21 = {instancePath:instancePath+"/sockets",schemaPath:"#/properties/sockets/type",keyword:"type",params:{type: "array"},message:"must be array",schema:schema31.properties.sockets.type,parentSchema:schema31.properties.sockets,data:data15};
if(vErrors === null){
vErrors = [err21];
}
else {
vErrors.push(err21);
}
errors++;
}
}
if(data.vms !== undefined){
let data17 = data.vms;
if(Array.isArray(data17)){
const len5 = data17.length;
for(let i5=0; i5<len5; i5++){
let data18 = data17[i5];
if(data18 && typeof data18 == "object" && !Array.isArray(data18)){
if(data18.name === undefined){
const err22 = {instancePath:instancePath+"/vms/" + i5,schemaPath:"#/properties/vms/items/required",keyword:"required",params:{missingProperty: "name"},message:"must have required property '"+"name"+"'",schema:schema31.properties.vms.items.required,parentSchema:schema31.properties.vms.items,data:data18};
if(vErrors === null){
vErrors = [err22];
}
else {
vErrors.push(err22);
}
errors++;
}
if(data18.memory === undefined){
const err23 = {instancePath:instancePath+"/vms/" + i5,schemaPath:"#/properties/vms/items/required",keyword:"required",params:{missingProperty: "memory"},message:"must have required property '"+"memory"+"'",schema:schema31.properties.vms.items.required,parentSchema:schema31.properties.vms.items,data:data18};
if(vErrors === null){
vErrors = [err23];
}
else {
vErrors.push(err23);
}
errors++;
}
if(data18.doorbell === undefined){
const err24 = {instancePath:instancePath+"/vms/" + i5,schemaPath:"#/properties/vms/items/required",keyword:"required",params:{missingProperty: "doorbell"},message:"must have required property '"+"doorbell"+"'",schema:schema31.properties.vms.items.required,parentSchema:schema31.properties.vms.items,data:data18};
if(vErrors === null){
vErrors = [err24];
}
else {
vErrors.push(err24);
}
errors++;
}
for(const key4 in data18){
if(!((((key4 === "name") || (key4 === "memory")) || (key4 === "doorbell")) || (key4 === "size"))){
const err25 = {instancePath:instancePath+"/vms/" + i5,schemaPath:"#/properties/vms/items/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key4},message:"must NOT have additional properties",schema:false,parentSchema:schema31.properties.vms.items,data:data18};
if(vErrors === null){
vErrors = [err25];
}
else {
vErrors.push(err25);
}
errors++;
}
}
if(data18.name !== undefined){
let data19 = data18.name;
if(typeof data19 === "string"){
if(!pattern7.test(data19)){
const err26 = {instancePath:instancePath+"/vms/" + i5+"/name",schemaPath:"#/$defs/vmName/pattern",keyword:"pattern",params:{pattern: "^[A-Za-z][A-Za-z0-9._-]{0,63}$"},message:"must match pattern \""+"^[A-Za-z][A-Za-z0-9._-]{0,63}$"+"\"",schema:"^[A-Za-z][A-Za-z0-9._-]{0,63}$",parentSchema:schema54,data:data19};
if(vErrors === null){
vErrors = [err26];
}
else {
vErrors.push(err26);
}
errors++;
}
}
else {
const err27 = {instancePath:instancePath+"/vms/" + i5+"/name",schemaPath:"#/$defs/vmName/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema54.type,parentSchema:schema54,data:data19};
if(vErrors === null){
vErrors = [err27];
}
else {
vErrors.push(err27);
}
errors++;
}
}
if(data18.memory !== undefined){
let data20 = data18.memory;
if(typeof data20 === "string"){
if(!pattern25.test(data20)){
const err28 = {instancePath:instancePath+"/vms/" + i5+"/memory",schemaPath:"#/$defs/vmPath/pattern",keyword:"pattern",params:{pattern: "^[^\\u0000]+$"},message:"must match pattern \""+"^[^\\u0000]+$"+"\"",schema:"^[^\\u0000]+$",parentSchema:schema55,data:data20};
if(vErrors === null){
vErrors = [err28];
}
else {
vErrors.push(err28);
}
errors++;
}
}
else {
const err29 = {instancePath:instancePath+"/vms/" + i5+"/memory",schemaPath:"#/$defs/vmPath/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema55.type,parentSchema:schema55,data:data20};
if(vErrors === null){
vErrors = [err29];
}
else {
vErrors.push(err29);
}
errors++;
}
}
if(data18.doorbell !== undefined){
let data21 = data18.doorbell;
if(typeof data21 === "string"){
if(!pattern25.test(data21)){
const err30 = {instancePath:instancePath+"/vms/" + i5+"/doorbell",schemaPath:"#/$defs/vmPath/pattern",keyword:"pattern",params:{pattern: "^[^\\u0000]+$"},message:"must match pattern \""+"^[^\\u0000]+$"+"\"",schema:"^[^\\u0000]+$",parentSchema:schema55,data:data21};
if(vErrors === null){
vErrors = [err30];
}
else {
vErrors.push(err30);
}
errors++;
}
}
else {
const err31 = {instancePath:instancePath+"/vms/" + i5+"/doorbell",schemaPath:"#/$defs/vmPath/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema55.type,parentSchema:schema55,data:data21};
if(vErrors === null){
vErrors = [err31];
}
else {
vErrors.push(err31);
}
errors++;
}
}
if(data18.size !== undefined){
let data22 = data18.size;
if((!(((typeof data22 == "number") && (!(data22 % 1) && !isNaN(data22))) && (isFinite(data22)))) && (typeof data22 !== "string")){
const err32 = {instancePath:instancePath+"/vms/" + i5+"/size",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data22};
if(vErrors === null){
vErrors = [err32];
}
else {
vErrors.push(err32);
}
errors++;
}
if((typeof data22 == "number") && (isFinite(data22))){
if(data22 > 9007199254740991 || isNaN(data22)){
const err33 = {instancePath:instancePath+"/vms/" + i5+"/size",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data22};
if(vErrors === null){
vErrors = [err33];
}
else {
vErrors.push(err33);
}
errors++;
}
if(data22 < 0 || isNaN(data22)){
const err34 = {instancePath:instancePath+"/vms/" + i5+"/size",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data22};
if(vErrors === null){
vErrors = [err34];
}
else {
vErrors.push(err34);
}
errors++;
}
}
if(typeof data22 === "string"){
if(!pattern27.test(data22)){
const err35 = {instancePath:instancePath+"/vms/" + i5+"/size",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data22};
if(vErrors === null){
vErrors = [err35];
}
else {
vErrors.push(err35);
}
errors++;
}
}
}
}
else {
const err36 = {instancePath:instancePath+"/vms/" + i5,schemaPath:"#/properties/vms/items/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.properties.vms.items.type,parentSchema:schema31.properties.vms.items,data:data18};
if(vErrors === null){
vErrors = [err36];
}
else {
vErrors.push(err36);
}
errors++;
}
}
}
else {
const err37 = {instancePath:instancePath+"/vms",schemaPath:"#/properties/vms/type",keyword:"type",params:{type: "array"},message:"must be array",schema:schema31.properties.vms.type,parentSchema:schema31.properties.vms,data:data17};
if(vErrors === null){
vErrors = [err37];
}
else {
vErrors.push(err37);
}
errors++;
}
}
if(data.hosts !== undefined){
let data23 = data.hosts;
if(data23 && typeof data23 == "object" && !Array.isArray(data23)){
if(Object.keys(data23).length > 4096){
const err38 = {instancePath:instancePath+"/hosts",schemaPath:"#/properties/hosts/maxProperties",keyword:"maxProperties",params:{limit: 4096},message:"must NOT have more than 4096 properties",schema:4096,parentSchema:schema31.properties.hosts,data:data23};
if(vErrors === null){
vErrors = [err38];
}
else {
vErrors.push(err38);
}
errors++;
}
for(const key5 in data23){
let data24 = data23[key5];
if((typeof data24 !== "string") && (!(Array.isArray(data24)))){
const err39 = {instancePath:instancePath+"/hosts/" + key5.replace(/~/g, "~0").replace(/\//g, "~1"),schemaPath:"#/properties/hosts/additionalProperties/type",keyword:"type",params:{type: schema31.properties.hosts.additionalProperties.type},message:"must be string,array",schema:schema31.properties.hosts.additionalProperties.type,parentSchema:schema31.properties.hosts.additionalProperties,data:data24};
if(vErrors === null){
vErrors = [err39];
}
else {
vErrors.push(err39);
}
errors++;
}
if(typeof data24 === "string"){
if(func2(data24) < 1){
const err40 = {instancePath:instancePath+"/hosts/" + key5.replace(/~/g, "~0").replace(/\//g, "~1"),schemaPath:"#/properties/hosts/additionalProperties/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema31.properties.hosts.additionalProperties,data:data24};
if(vErrors === null){
vErrors = [err40];
}
else {
vErrors.push(err40);
}
errors++;
}
}
if(Array.isArray(data24)){
if(data24.length > 16){
const err41 = {instancePath:instancePath+"/hosts/" + key5.replace(/~/g, "~0").replace(/\//g, "~1"),schemaPath:"#/properties/hosts/additionalProperties/maxItems",keyword:"maxItems",params:{limit: 16},message:"must NOT have more than 16 items",schema:16,parentSchema:schema31.properties.hosts.additionalProperties,data:data24};
if(vErrors === null){
vErrors = [err41];
}
else {
vErrors.push(err41);
}
errors++;
}
if(data24.length < 1){
const err42 = {instancePath:instancePath+"/hosts/" + key5.replace(/~/g, "~0").replace(/\//g, "~1"),schemaPath:"#/properties/hosts/additionalProperties/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items",schema:1,parentSchema:schema31.properties.hosts.additionalProperties,data:data24};
if(vErrors === null){
vErrors = [err42];
}
else {
vErrors.push(err42);
}
errors++;
}
const len6 = data24.length;
for(let i6=0; i6<len6; i6++){
let data25 = data24[i6];
if(typeof data25 === "string"){
if(func2(data25) < 1){
const err43 = {instancePath:instancePath+"/hosts/" + key5.replace(/~/g, "~0").replace(/\//g, "~1")+"/" + i6,schemaPath:"#/properties/hosts/additionalProperties/items/minLength",keyword:"minLength",params:{limit: 1},message:"must NOT have fewer than 1 characters",schema:1,parentSchema:schema31.properties.hosts.additionalProperties.items,data:data25};
if(vErrors === null){
vErrors = [err43];
}
else {
vErrors.push(err43);
}
errors++;
}
}
else {
const err44 = {instancePath:instancePath+"/hosts/" + key5.replace(/~/g, "~0").replace(/\//g, "~1")+"/" + i6,schemaPath:"#/properties/hosts/additionalProperties/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema31.properties.hosts.additionalProperties.items.type,parentSchema:schema31.properties.hosts.additionalProperties.items,data:data25};
if(vErrors === null){
vErrors = [err44];
}
else {
vErrors.push(err44);
}
errors++;
}
}
}
}
}
else {
const err45 = {instancePath:instancePath+"/hosts",schemaPath:"#/properties/hosts/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.properties.hosts.type,parentSchema:schema31.properties.hosts,data:data23};
if(vErrors === null){
vErrors = [err45];
}
else {
vErrors.push(err45);
}
errors++;
}
}
if(data.run !== undefined){
let data26 = data.run;
if(data26 && typeof data26 == "object" && !Array.isArray(data26)){
for(const key6 in data26){
if(!(key6 === "system")){
const err46 = {instancePath:instancePath+"/run",schemaPath:"#/properties/run/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key6},message:"must NOT have additional properties",schema:false,parentSchema:schema31.properties.run,data:data26};
if(vErrors === null){
vErrors = [err46];
}
else {
vErrors.push(err46);
}
errors++;
}
}
if(data26.system !== undefined){
let data27 = data26.system;
if(Array.isArray(data27)){
if(data27.length > 1024){
const err47 = {instancePath:instancePath+"/run/system",schemaPath:"#/properties/run/properties/system/maxItems",keyword:"maxItems",params:{limit: 1024},message:"must NOT have more than 1024 items",schema:1024,parentSchema:schema31.properties.run.properties.system,data:data27};
if(vErrors === null){
vErrors = [err47];
}
else {
vErrors.push(err47);
}
errors++;
}
const len7 = data27.length;
for(let i7=0; i7<len7; i7++){
let data28 = data27[i7];
if(typeof data28 === "string"){
if(!pattern28.test(data28)){
const err48 = {instancePath:instancePath+"/run/system/" + i7,schemaPath:"#/properties/run/properties/system/items/pattern",keyword:"pattern",params:{pattern: "^(default$|/)"},message:"must match pattern \""+"^(default$|/)"+"\"",schema:"^(default$|/)",parentSchema:schema31.properties.run.properties.system.items,data:data28};
if(vErrors === null){
vErrors = [err48];
}
else {
vErrors.push(err48);
}
errors++;
}
}
else {
const err49 = {instancePath:instancePath+"/run/system/" + i7,schemaPath:"#/properties/run/properties/system/items/type",keyword:"type",params:{type: "string"},message:"must be string",schema:schema31.properties.run.properties.system.items.type,parentSchema:schema31.properties.run.properties.system.items,data:data28};
if(vErrors === null){
vErrors = [err49];
}
else {
vErrors.push(err49);
}
errors++;
}
}
}
else {
const err50 = {instancePath:instancePath+"/run/system",schemaPath:"#/properties/run/properties/system/type",keyword:"type",params:{type: "array"},message:"must be array",schema:schema31.properties.run.properties.system.type,parentSchema:schema31.properties.run.properties.system,data:data27};
if(vErrors === null){
vErrors = [err50];
}
else {
vErrors.push(err50);
}
errors++;
}
}
}
else {
const err51 = {instancePath:instancePath+"/run",schemaPath:"#/properties/run/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.properties.run.type,parentSchema:schema31.properties.run,data:data26};
if(vErrors === null){
vErrors = [err51];
}
else {
vErrors.push(err51);
}
errors++;
}
}
if(data.limits !== undefined){
let data29 = data.limits;
if(data29 && typeof data29 == "object" && !Array.isArray(data29)){
for(const key7 in data29){
if(!(func1.call(schema31.properties.limits.properties, key7))){
const err52 = {instancePath:instancePath+"/limits",schemaPath:"#/properties/limits/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key7},message:"must NOT have additional properties",schema:false,parentSchema:schema31.properties.limits,data:data29};
if(vErrors === null){
vErrors = [err52];
}
else {
vErrors.push(err52);
}
errors++;
}
}
if(data29.guests !== undefined){
let data30 = data29.guests;
if(!(((typeof data30 == "number") && (!(data30 % 1) && !isNaN(data30))) && (isFinite(data30)))){
const err53 = {instancePath:instancePath+"/limits/guests",schemaPath:"#/$defs/positive/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema58.type,parentSchema:schema58,data:data30};
if(vErrors === null){
vErrors = [err53];
}
else {
vErrors.push(err53);
}
errors++;
}
if((typeof data30 == "number") && (isFinite(data30))){
if(data30 > 1048576 || isNaN(data30)){
const err54 = {instancePath:instancePath+"/limits/guests",schemaPath:"#/$defs/positive/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema58,data:data30};
if(vErrors === null){
vErrors = [err54];
}
else {
vErrors.push(err54);
}
errors++;
}
if(data30 < 1 || isNaN(data30)){
const err55 = {instancePath:instancePath+"/limits/guests",schemaPath:"#/$defs/positive/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema58,data:data30};
if(vErrors === null){
vErrors = [err55];
}
else {
vErrors.push(err55);
}
errors++;
}
}
}
if(data29.streams !== undefined){
let data31 = data29.streams;
if(!(((typeof data31 == "number") && (!(data31 % 1) && !isNaN(data31))) && (isFinite(data31)))){
const err56 = {instancePath:instancePath+"/limits/streams",schemaPath:"#/properties/limits/properties/streams/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema31.properties.limits.properties.streams.type,parentSchema:schema31.properties.limits.properties.streams,data:data31};
if(vErrors === null){
vErrors = [err56];
}
else {
vErrors.push(err56);
}
errors++;
}
if((typeof data31 == "number") && (isFinite(data31))){
if(data31 > 32767 || isNaN(data31)){
const err57 = {instancePath:instancePath+"/limits/streams",schemaPath:"#/properties/limits/properties/streams/maximum",keyword:"maximum",params:{comparison: "<=", limit: 32767},message:"must be <= 32767",schema:32767,parentSchema:schema31.properties.limits.properties.streams,data:data31};
if(vErrors === null){
vErrors = [err57];
}
else {
vErrors.push(err57);
}
errors++;
}
if(data31 < 1 || isNaN(data31)){
const err58 = {instancePath:instancePath+"/limits/streams",schemaPath:"#/properties/limits/properties/streams/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema31.properties.limits.properties.streams,data:data31};
if(vErrors === null){
vErrors = [err58];
}
else {
vErrors.push(err58);
}
errors++;
}
}
}
if(data29.regionBytes !== undefined){
let data32 = data29.regionBytes;
if((!(((typeof data32 == "number") && (!(data32 % 1) && !isNaN(data32))) && (isFinite(data32)))) && (typeof data32 !== "string")){
const err59 = {instancePath:instancePath+"/limits/regionBytes",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data32};
if(vErrors === null){
vErrors = [err59];
}
else {
vErrors.push(err59);
}
errors++;
}
if((typeof data32 == "number") && (isFinite(data32))){
if(data32 > 9007199254740991 || isNaN(data32)){
const err60 = {instancePath:instancePath+"/limits/regionBytes",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data32};
if(vErrors === null){
vErrors = [err60];
}
else {
vErrors.push(err60);
}
errors++;
}
if(data32 < 0 || isNaN(data32)){
const err61 = {instancePath:instancePath+"/limits/regionBytes",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data32};
if(vErrors === null){
vErrors = [err61];
}
else {
vErrors.push(err61);
}
errors++;
}
}
if(typeof data32 === "string"){
if(!pattern27.test(data32)){
const err62 = {instancePath:instancePath+"/limits/regionBytes",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data32};
if(vErrors === null){
vErrors = [err62];
}
else {
vErrors.push(err62);
}
errors++;
}
}
}
if(data29.regionBytesTotal !== undefined){
let data33 = data29.regionBytesTotal;
if((!(((typeof data33 == "number") && (!(data33 % 1) && !isNaN(data33))) && (isFinite(data33)))) && (typeof data33 !== "string")){
const err63 = {instancePath:instancePath+"/limits/regionBytesTotal",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data33};
if(vErrors === null){
vErrors = [err63];
}
else {
vErrors.push(err63);
}
errors++;
}
if((typeof data33 == "number") && (isFinite(data33))){
if(data33 > 9007199254740991 || isNaN(data33)){
const err64 = {instancePath:instancePath+"/limits/regionBytesTotal",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data33};
if(vErrors === null){
vErrors = [err64];
}
else {
vErrors.push(err64);
}
errors++;
}
if(data33 < 0 || isNaN(data33)){
const err65 = {instancePath:instancePath+"/limits/regionBytesTotal",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data33};
if(vErrors === null){
vErrors = [err65];
}
else {
vErrors.push(err65);
}
errors++;
}
}
if(typeof data33 === "string"){
if(!pattern27.test(data33)){
const err66 = {instancePath:instancePath+"/limits/regionBytesTotal",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data33};
if(vErrors === null){
vErrors = [err66];
}
else {
vErrors.push(err66);
}
errors++;
}
}
}
if(data29.streamBytes !== undefined){
let data34 = data29.streamBytes;
if((!(((typeof data34 == "number") && (!(data34 % 1) && !isNaN(data34))) && (isFinite(data34)))) && (typeof data34 !== "string")){
const err67 = {instancePath:instancePath+"/limits/streamBytes",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data34};
if(vErrors === null){
vErrors = [err67];
}
else {
vErrors.push(err67);
}
errors++;
}
if((typeof data34 == "number") && (isFinite(data34))){
if(data34 > 9007199254740991 || isNaN(data34)){
const err68 = {instancePath:instancePath+"/limits/streamBytes",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data34};
if(vErrors === null){
vErrors = [err68];
}
else {
vErrors.push(err68);
}
errors++;
}
if(data34 < 0 || isNaN(data34)){
const err69 = {instancePath:instancePath+"/limits/streamBytes",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data34};
if(vErrors === null){
vErrors = [err69];
}
else {
vErrors.push(err69);
}
errors++;
}
}
if(typeof data34 === "string"){
if(!pattern27.test(data34)){
const err70 = {instancePath:instancePath+"/limits/streamBytes",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data34};
if(vErrors === null){
vErrors = [err70];
}
else {
vErrors.push(err70);
}
errors++;
}
}
}
if(data29.socketBytes !== undefined){
let data35 = data29.socketBytes;
if((!(((typeof data35 == "number") && (!(data35 % 1) && !isNaN(data35))) && (isFinite(data35)))) && (typeof data35 !== "string")){
const err71 = {instancePath:instancePath+"/limits/socketBytes",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data35};
if(vErrors === null){
vErrors = [err71];
}
else {
vErrors.push(err71);
}
errors++;
}
if((typeof data35 == "number") && (isFinite(data35))){
if(data35 > 9007199254740991 || isNaN(data35)){
const err72 = {instancePath:instancePath+"/limits/socketBytes",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data35};
if(vErrors === null){
vErrors = [err72];
}
else {
vErrors.push(err72);
}
errors++;
}
if(data35 < 0 || isNaN(data35)){
const err73 = {instancePath:instancePath+"/limits/socketBytes",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data35};
if(vErrors === null){
vErrors = [err73];
}
else {
vErrors.push(err73);
}
errors++;
}
}
if(typeof data35 === "string"){
if(!pattern27.test(data35)){
const err74 = {instancePath:instancePath+"/limits/socketBytes",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data35};
if(vErrors === null){
vErrors = [err74];
}
else {
vErrors.push(err74);
}
errors++;
}
}
}
if(data29.accepts !== undefined){
let data36 = data29.accepts;
if(!(((typeof data36 == "number") && (!(data36 % 1) && !isNaN(data36))) && (isFinite(data36)))){
const err75 = {instancePath:instancePath+"/limits/accepts",schemaPath:"#/$defs/count/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema63.type,parentSchema:schema63,data:data36};
if(vErrors === null){
vErrors = [err75];
}
else {
vErrors.push(err75);
}
errors++;
}
if((typeof data36 == "number") && (isFinite(data36))){
if(data36 > 1048576 || isNaN(data36)){
const err76 = {instancePath:instancePath+"/limits/accepts",schemaPath:"#/$defs/count/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema63,data:data36};
if(vErrors === null){
vErrors = [err76];
}
else {
vErrors.push(err76);
}
errors++;
}
if(data36 < 0 || isNaN(data36)){
const err77 = {instancePath:instancePath+"/limits/accepts",schemaPath:"#/$defs/count/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema63,data:data36};
if(vErrors === null){
vErrors = [err77];
}
else {
vErrors.push(err77);
}
errors++;
}
}
}
if(data29.openFiles !== undefined){
let data37 = data29.openFiles;
if(!(((typeof data37 == "number") && (!(data37 % 1) && !isNaN(data37))) && (isFinite(data37)))){
const err78 = {instancePath:instancePath+"/limits/openFiles",schemaPath:"#/$defs/count/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema63.type,parentSchema:schema63,data:data37};
if(vErrors === null){
vErrors = [err78];
}
else {
vErrors.push(err78);
}
errors++;
}
if((typeof data37 == "number") && (isFinite(data37))){
if(data37 > 1048576 || isNaN(data37)){
const err79 = {instancePath:instancePath+"/limits/openFiles",schemaPath:"#/$defs/count/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema63,data:data37};
if(vErrors === null){
vErrors = [err79];
}
else {
vErrors.push(err79);
}
errors++;
}
if(data37 < 0 || isNaN(data37)){
const err80 = {instancePath:instancePath+"/limits/openFiles",schemaPath:"#/$defs/count/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema63,data:data37};
if(vErrors === null){
vErrors = [err80];
}
else {
vErrors.push(err80);
}
errors++;
}
}
}
if(data29.fileBytesWritten !== undefined){
let data38 = data29.fileBytesWritten;
if((!(((typeof data38 == "number") && (!(data38 % 1) && !isNaN(data38))) && (isFinite(data38)))) && (typeof data38 !== "string")){
const err81 = {instancePath:instancePath+"/limits/fileBytesWritten",schemaPath:"#/$defs/amount/type",keyword:"type",params:{type: schema65.type},message:"must be integer,string",schema:schema65.type,parentSchema:schema65,data:data38};
if(vErrors === null){
vErrors = [err81];
}
else {
vErrors.push(err81);
}
errors++;
}
if((typeof data38 == "number") && (isFinite(data38))){
if(data38 > 9007199254740991 || isNaN(data38)){
const err82 = {instancePath:instancePath+"/limits/fileBytesWritten",schemaPath:"#/$defs/amount/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema65,data:data38};
if(vErrors === null){
vErrors = [err82];
}
else {
vErrors.push(err82);
}
errors++;
}
if(data38 < 0 || isNaN(data38)){
const err83 = {instancePath:instancePath+"/limits/fileBytesWritten",schemaPath:"#/$defs/amount/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema65,data:data38};
if(vErrors === null){
vErrors = [err83];
}
else {
vErrors.push(err83);
}
errors++;
}
}
if(typeof data38 === "string"){
if(!pattern33.test(data38)){
const err84 = {instancePath:instancePath+"/limits/fileBytesWritten",schemaPath:"#/$defs/amount/pattern",keyword:"pattern",params:{pattern: "^([0-9]+(KiB|MiB|GiB)?|unlimited)$"},message:"must match pattern \""+"^([0-9]+(KiB|MiB|GiB)?|unlimited)$"+"\"",schema:"^([0-9]+(KiB|MiB|GiB)?|unlimited)$",parentSchema:schema65,data:data38};
if(vErrors === null){
vErrors = [err84];
}
else {
vErrors.push(err84);
}
errors++;
}
}
}
if(data29.networkBytes !== undefined){
let data39 = data29.networkBytes;
if((!(((typeof data39 == "number") && (!(data39 % 1) && !isNaN(data39))) && (isFinite(data39)))) && (typeof data39 !== "string")){
const err85 = {instancePath:instancePath+"/limits/networkBytes",schemaPath:"#/$defs/amount/type",keyword:"type",params:{type: schema65.type},message:"must be integer,string",schema:schema65.type,parentSchema:schema65,data:data39};
if(vErrors === null){
vErrors = [err85];
}
else {
vErrors.push(err85);
}
errors++;
}
if((typeof data39 == "number") && (isFinite(data39))){
if(data39 > 9007199254740991 || isNaN(data39)){
const err86 = {instancePath:instancePath+"/limits/networkBytes",schemaPath:"#/$defs/amount/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema65,data:data39};
if(vErrors === null){
vErrors = [err86];
}
else {
vErrors.push(err86);
}
errors++;
}
if(data39 < 0 || isNaN(data39)){
const err87 = {instancePath:instancePath+"/limits/networkBytes",schemaPath:"#/$defs/amount/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema65,data:data39};
if(vErrors === null){
vErrors = [err87];
}
else {
vErrors.push(err87);
}
errors++;
}
}
if(typeof data39 === "string"){
if(!pattern33.test(data39)){
const err88 = {instancePath:instancePath+"/limits/networkBytes",schemaPath:"#/$defs/amount/pattern",keyword:"pattern",params:{pattern: "^([0-9]+(KiB|MiB|GiB)?|unlimited)$"},message:"must match pattern \""+"^([0-9]+(KiB|MiB|GiB)?|unlimited)$"+"\"",schema:"^([0-9]+(KiB|MiB|GiB)?|unlimited)$",parentSchema:schema65,data:data39};
if(vErrors === null){
vErrors = [err88];
}
else {
vErrors.push(err88);
}
errors++;
}
}
}
if(data29.requests !== undefined){
let data40 = data29.requests;
if(!(((typeof data40 == "number") && (!(data40 % 1) && !isNaN(data40))) && (isFinite(data40)))){
const err89 = {instancePath:instancePath+"/limits/requests",schemaPath:"#/$defs/positive/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema58.type,parentSchema:schema58,data:data40};
if(vErrors === null){
vErrors = [err89];
}
else {
vErrors.push(err89);
}
errors++;
}
if((typeof data40 == "number") && (isFinite(data40))){
if(data40 > 1048576 || isNaN(data40)){
const err90 = {instancePath:instancePath+"/limits/requests",schemaPath:"#/$defs/positive/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema58,data:data40};
if(vErrors === null){
vErrors = [err90];
}
else {
vErrors.push(err90);
}
errors++;
}
if(data40 < 1 || isNaN(data40)){
const err91 = {instancePath:instancePath+"/limits/requests",schemaPath:"#/$defs/positive/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema58,data:data40};
if(vErrors === null){
vErrors = [err91];
}
else {
vErrors.push(err91);
}
errors++;
}
}
}
if(data29.diskOperations !== undefined){
let data41 = data29.diskOperations;
if(!(((typeof data41 == "number") && (!(data41 % 1) && !isNaN(data41))) && (isFinite(data41)))){
const err92 = {instancePath:instancePath+"/limits/diskOperations",schemaPath:"#/properties/limits/properties/diskOperations/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema31.properties.limits.properties.diskOperations.type,parentSchema:schema31.properties.limits.properties.diskOperations,data:data41};
if(vErrors === null){
vErrors = [err92];
}
else {
vErrors.push(err92);
}
errors++;
}
if((typeof data41 == "number") && (isFinite(data41))){
if(data41 > 1048576 || isNaN(data41)){
const err93 = {instancePath:instancePath+"/limits/diskOperations",schemaPath:"#/properties/limits/properties/diskOperations/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema31.properties.limits.properties.diskOperations,data:data41};
if(vErrors === null){
vErrors = [err93];
}
else {
vErrors.push(err93);
}
errors++;
}
if(data41 < 10 || isNaN(data41)){
const err94 = {instancePath:instancePath+"/limits/diskOperations",schemaPath:"#/properties/limits/properties/diskOperations/minimum",keyword:"minimum",params:{comparison: ">=", limit: 10},message:"must be >= 10",schema:10,parentSchema:schema31.properties.limits.properties.diskOperations,data:data41};
if(vErrors === null){
vErrors = [err94];
}
else {
vErrors.push(err94);
}
errors++;
}
}
}
if(data29.bells !== undefined){
let data42 = data29.bells;
if(!(((typeof data42 == "number") && (!(data42 % 1) && !isNaN(data42))) && (isFinite(data42)))){
const err95 = {instancePath:instancePath+"/limits/bells",schemaPath:"#/properties/limits/properties/bells/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema31.properties.limits.properties.bells.type,parentSchema:schema31.properties.limits.properties.bells,data:data42};
if(vErrors === null){
vErrors = [err95];
}
else {
vErrors.push(err95);
}
errors++;
}
if((typeof data42 == "number") && (isFinite(data42))){
if(data42 > 1048576 || isNaN(data42)){
const err96 = {instancePath:instancePath+"/limits/bells",schemaPath:"#/properties/limits/properties/bells/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema31.properties.limits.properties.bells,data:data42};
if(vErrors === null){
vErrors = [err96];
}
else {
vErrors.push(err96);
}
errors++;
}
if(data42 < 100 || isNaN(data42)){
const err97 = {instancePath:instancePath+"/limits/bells",schemaPath:"#/properties/limits/properties/bells/minimum",keyword:"minimum",params:{comparison: ">=", limit: 100},message:"must be >= 100",schema:100,parentSchema:schema31.properties.limits.properties.bells,data:data42};
if(vErrors === null){
vErrors = [err97];
}
else {
vErrors.push(err97);
}
errors++;
}
}
}
if(data29.logLines !== undefined){
let data43 = data29.logLines;
if(!(((typeof data43 == "number") && (!(data43 % 1) && !isNaN(data43))) && (isFinite(data43)))){
const err98 = {instancePath:instancePath+"/limits/logLines",schemaPath:"#/$defs/positive/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema58.type,parentSchema:schema58,data:data43};
if(vErrors === null){
vErrors = [err98];
}
else {
vErrors.push(err98);
}
errors++;
}
if((typeof data43 == "number") && (isFinite(data43))){
if(data43 > 1048576 || isNaN(data43)){
const err99 = {instancePath:instancePath+"/limits/logLines",schemaPath:"#/$defs/positive/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema58,data:data43};
if(vErrors === null){
vErrors = [err99];
}
else {
vErrors.push(err99);
}
errors++;
}
if(data43 < 1 || isNaN(data43)){
const err100 = {instancePath:instancePath+"/limits/logLines",schemaPath:"#/$defs/positive/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema58,data:data43};
if(vErrors === null){
vErrors = [err100];
}
else {
vErrors.push(err100);
}
errors++;
}
}
}
if(data29.logBytes !== undefined){
let data44 = data29.logBytes;
if((!(((typeof data44 == "number") && (!(data44 % 1) && !isNaN(data44))) && (isFinite(data44)))) && (typeof data44 !== "string")){
const err101 = {instancePath:instancePath+"/limits/logBytes",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data44};
if(vErrors === null){
vErrors = [err101];
}
else {
vErrors.push(err101);
}
errors++;
}
if((typeof data44 == "number") && (isFinite(data44))){
if(data44 > 9007199254740991 || isNaN(data44)){
const err102 = {instancePath:instancePath+"/limits/logBytes",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data44};
if(vErrors === null){
vErrors = [err102];
}
else {
vErrors.push(err102);
}
errors++;
}
if(data44 < 0 || isNaN(data44)){
const err103 = {instancePath:instancePath+"/limits/logBytes",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data44};
if(vErrors === null){
vErrors = [err103];
}
else {
vErrors.push(err103);
}
errors++;
}
}
if(typeof data44 === "string"){
if(!pattern27.test(data44)){
const err104 = {instancePath:instancePath+"/limits/logBytes",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data44};
if(vErrors === null){
vErrors = [err104];
}
else {
vErrors.push(err104);
}
errors++;
}
}
}
if(data29.auditBytes !== undefined){
let data45 = data29.auditBytes;
if((!(((typeof data45 == "number") && (!(data45 % 1) && !isNaN(data45))) && (isFinite(data45)))) && (typeof data45 !== "string")){
const err105 = {instancePath:instancePath+"/limits/auditBytes",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data45};
if(vErrors === null){
vErrors = [err105];
}
else {
vErrors.push(err105);
}
errors++;
}
if((typeof data45 == "number") && (isFinite(data45))){
if(data45 > 9007199254740991 || isNaN(data45)){
const err106 = {instancePath:instancePath+"/limits/auditBytes",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data45};
if(vErrors === null){
vErrors = [err106];
}
else {
vErrors.push(err106);
}
errors++;
}
if(data45 < 0 || isNaN(data45)){
const err107 = {instancePath:instancePath+"/limits/auditBytes",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data45};
if(vErrors === null){
vErrors = [err107];
}
else {
vErrors.push(err107);
}
errors++;
}
}
if(typeof data45 === "string"){
if(!pattern27.test(data45)){
const err108 = {instancePath:instancePath+"/limits/auditBytes",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data45};
if(vErrors === null){
vErrors = [err108];
}
else {
vErrors.push(err108);
}
errors++;
}
}
}
}
else {
const err109 = {instancePath:instancePath+"/limits",schemaPath:"#/properties/limits/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.properties.limits.type,parentSchema:schema31.properties.limits,data:data29};
if(vErrors === null){
vErrors = [err109];
}
else {
vErrors.push(err109);
}
errors++;
}
}
if(data.rates !== undefined){
let data46 = data.rates;
if(data46 && typeof data46 == "object" && !Array.isArray(data46)){
for(const key8 in data46){
if(!(((((((key8 === "bytesToHost") || (key8 === "bytesToHostBurst")) || (key8 === "bytesToGuest")) || (key8 === "bytesToGuestBurst")) || (key8 === "connections")) || (key8 === "datagrams")) || (key8 === "lookups"))){
const err110 = {instancePath:instancePath+"/rates",schemaPath:"#/properties/rates/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key8},message:"must NOT have additional properties",schema:false,parentSchema:schema31.properties.rates,data:data46};
if(vErrors === null){
vErrors = [err110];
}
else {
vErrors.push(err110);
}
errors++;
}
}
if(data46.bytesToHost !== undefined){
let data47 = data46.bytesToHost;
if((!(((typeof data47 == "number") && (!(data47 % 1) && !isNaN(data47))) && (isFinite(data47)))) && (typeof data47 !== "string")){
const err111 = {instancePath:instancePath+"/rates/bytesToHost",schemaPath:"#/$defs/amount/type",keyword:"type",params:{type: schema65.type},message:"must be integer,string",schema:schema65.type,parentSchema:schema65,data:data47};
if(vErrors === null){
vErrors = [err111];
}
else {
vErrors.push(err111);
}
errors++;
}
if((typeof data47 == "number") && (isFinite(data47))){
if(data47 > 9007199254740991 || isNaN(data47)){
const err112 = {instancePath:instancePath+"/rates/bytesToHost",schemaPath:"#/$defs/amount/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema65,data:data47};
if(vErrors === null){
vErrors = [err112];
}
else {
vErrors.push(err112);
}
errors++;
}
if(data47 < 0 || isNaN(data47)){
const err113 = {instancePath:instancePath+"/rates/bytesToHost",schemaPath:"#/$defs/amount/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema65,data:data47};
if(vErrors === null){
vErrors = [err113];
}
else {
vErrors.push(err113);
}
errors++;
}
}
if(typeof data47 === "string"){
if(!pattern33.test(data47)){
const err114 = {instancePath:instancePath+"/rates/bytesToHost",schemaPath:"#/$defs/amount/pattern",keyword:"pattern",params:{pattern: "^([0-9]+(KiB|MiB|GiB)?|unlimited)$"},message:"must match pattern \""+"^([0-9]+(KiB|MiB|GiB)?|unlimited)$"+"\"",schema:"^([0-9]+(KiB|MiB|GiB)?|unlimited)$",parentSchema:schema65,data:data47};
if(vErrors === null){
vErrors = [err114];
}
else {
vErrors.push(err114);
}
errors++;
}
}
}
if(data46.bytesToHostBurst !== undefined){
let data48 = data46.bytesToHostBurst;
if((!(((typeof data48 == "number") && (!(data48 % 1) && !isNaN(data48))) && (isFinite(data48)))) && (typeof data48 !== "string")){
const err115 = {instancePath:instancePath+"/rates/bytesToHostBurst",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data48};
if(vErrors === null){
vErrors = [err115];
}
else {
vErrors.push(err115);
}
errors++;
}
if((typeof data48 == "number") && (isFinite(data48))){
if(data48 > 9007199254740991 || isNaN(data48)){
const err116 = {instancePath:instancePath+"/rates/bytesToHostBurst",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data48};
if(vErrors === null){
vErrors = [err116];
}
else {
vErrors.push(err116);
}
errors++;
}
if(data48 < 0 || isNaN(data48)){
const err117 = {instancePath:instancePath+"/rates/bytesToHostBurst",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data48};
if(vErrors === null){
vErrors = [err117];
}
else {
vErrors.push(err117);
}
errors++;
}
}
if(typeof data48 === "string"){
if(!pattern27.test(data48)){
const err118 = {instancePath:instancePath+"/rates/bytesToHostBurst",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data48};
if(vErrors === null){
vErrors = [err118];
}
else {
vErrors.push(err118);
}
errors++;
}
}
}
if(data46.bytesToGuest !== undefined){
let data49 = data46.bytesToGuest;
if((!(((typeof data49 == "number") && (!(data49 % 1) && !isNaN(data49))) && (isFinite(data49)))) && (typeof data49 !== "string")){
const err119 = {instancePath:instancePath+"/rates/bytesToGuest",schemaPath:"#/$defs/amount/type",keyword:"type",params:{type: schema65.type},message:"must be integer,string",schema:schema65.type,parentSchema:schema65,data:data49};
if(vErrors === null){
vErrors = [err119];
}
else {
vErrors.push(err119);
}
errors++;
}
if((typeof data49 == "number") && (isFinite(data49))){
if(data49 > 9007199254740991 || isNaN(data49)){
const err120 = {instancePath:instancePath+"/rates/bytesToGuest",schemaPath:"#/$defs/amount/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema65,data:data49};
if(vErrors === null){
vErrors = [err120];
}
else {
vErrors.push(err120);
}
errors++;
}
if(data49 < 0 || isNaN(data49)){
const err121 = {instancePath:instancePath+"/rates/bytesToGuest",schemaPath:"#/$defs/amount/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema65,data:data49};
if(vErrors === null){
vErrors = [err121];
}
else {
vErrors.push(err121);
}
errors++;
}
}
if(typeof data49 === "string"){
if(!pattern33.test(data49)){
const err122 = {instancePath:instancePath+"/rates/bytesToGuest",schemaPath:"#/$defs/amount/pattern",keyword:"pattern",params:{pattern: "^([0-9]+(KiB|MiB|GiB)?|unlimited)$"},message:"must match pattern \""+"^([0-9]+(KiB|MiB|GiB)?|unlimited)$"+"\"",schema:"^([0-9]+(KiB|MiB|GiB)?|unlimited)$",parentSchema:schema65,data:data49};
if(vErrors === null){
vErrors = [err122];
}
else {
vErrors.push(err122);
}
errors++;
}
}
}
if(data46.bytesToGuestBurst !== undefined){
let data50 = data46.bytesToGuestBurst;
if((!(((typeof data50 == "number") && (!(data50 % 1) && !isNaN(data50))) && (isFinite(data50)))) && (typeof data50 !== "string")){
const err123 = {instancePath:instancePath+"/rates/bytesToGuestBurst",schemaPath:"#/$defs/size/type",keyword:"type",params:{type: schema57.type},message:"must be integer,string",schema:schema57.type,parentSchema:schema57,data:data50};
if(vErrors === null){
vErrors = [err123];
}
else {
vErrors.push(err123);
}
errors++;
}
if((typeof data50 == "number") && (isFinite(data50))){
if(data50 > 9007199254740991 || isNaN(data50)){
const err124 = {instancePath:instancePath+"/rates/bytesToGuestBurst",schemaPath:"#/$defs/size/maximum",keyword:"maximum",params:{comparison: "<=", limit: 9007199254740991},message:"must be <= 9007199254740991",schema:9007199254740991,parentSchema:schema57,data:data50};
if(vErrors === null){
vErrors = [err124];
}
else {
vErrors.push(err124);
}
errors++;
}
if(data50 < 0 || isNaN(data50)){
const err125 = {instancePath:instancePath+"/rates/bytesToGuestBurst",schemaPath:"#/$defs/size/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0",schema:0,parentSchema:schema57,data:data50};
if(vErrors === null){
vErrors = [err125];
}
else {
vErrors.push(err125);
}
errors++;
}
}
if(typeof data50 === "string"){
if(!pattern27.test(data50)){
const err126 = {instancePath:instancePath+"/rates/bytesToGuestBurst",schemaPath:"#/$defs/size/pattern",keyword:"pattern",params:{pattern: "^[0-9]+(KiB|MiB|GiB)?$"},message:"must match pattern \""+"^[0-9]+(KiB|MiB|GiB)?$"+"\"",schema:"^[0-9]+(KiB|MiB|GiB)?$",parentSchema:schema57,data:data50};
if(vErrors === null){
vErrors = [err126];
}
else {
vErrors.push(err126);
}
errors++;
}
}
}
if(data46.connections !== undefined){
let data51 = data46.connections;
if((!(((typeof data51 == "number") && (!(data51 % 1) && !isNaN(data51))) && (isFinite(data51)))) && (typeof data51 !== "string")){
const err127 = {instancePath:instancePath+"/rates/connections",schemaPath:"#/$defs/rate/type",keyword:"type",params:{type: schema75.type},message:"must be integer,string",schema:schema75.type,parentSchema:schema75,data:data51};
if(vErrors === null){
vErrors = [err127];
}
else {
vErrors.push(err127);
}
errors++;
}
if((typeof data51 == "number") && (isFinite(data51))){
if(data51 > 1048576 || isNaN(data51)){
const err128 = {instancePath:instancePath+"/rates/connections",schemaPath:"#/$defs/rate/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema75,data:data51};
if(vErrors === null){
vErrors = [err128];
}
else {
vErrors.push(err128);
}
errors++;
}
if(data51 < 1 || isNaN(data51)){
const err129 = {instancePath:instancePath+"/rates/connections",schemaPath:"#/$defs/rate/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema75,data:data51};
if(vErrors === null){
vErrors = [err129];
}
else {
vErrors.push(err129);
}
errors++;
}
}
if(typeof data51 === "string"){
if(!pattern41.test(data51)){
const err130 = {instancePath:instancePath+"/rates/connections",schemaPath:"#/$defs/rate/pattern",keyword:"pattern",params:{pattern: "^unlimited$"},message:"must match pattern \""+"^unlimited$"+"\"",schema:"^unlimited$",parentSchema:schema75,data:data51};
if(vErrors === null){
vErrors = [err130];
}
else {
vErrors.push(err130);
}
errors++;
}
}
}
if(data46.datagrams !== undefined){
let data52 = data46.datagrams;
if((!(((typeof data52 == "number") && (!(data52 % 1) && !isNaN(data52))) && (isFinite(data52)))) && (typeof data52 !== "string")){
const err131 = {instancePath:instancePath+"/rates/datagrams",schemaPath:"#/$defs/rate/type",keyword:"type",params:{type: schema75.type},message:"must be integer,string",schema:schema75.type,parentSchema:schema75,data:data52};
if(vErrors === null){
vErrors = [err131];
}
else {
vErrors.push(err131);
}
errors++;
}
if((typeof data52 == "number") && (isFinite(data52))){
if(data52 > 1048576 || isNaN(data52)){
const err132 = {instancePath:instancePath+"/rates/datagrams",schemaPath:"#/$defs/rate/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema75,data:data52};
if(vErrors === null){
vErrors = [err132];
}
else {
vErrors.push(err132);
}
errors++;
}
if(data52 < 1 || isNaN(data52)){
const err133 = {instancePath:instancePath+"/rates/datagrams",schemaPath:"#/$defs/rate/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema75,data:data52};
if(vErrors === null){
vErrors = [err133];
}
else {
vErrors.push(err133);
}
errors++;
}
}
if(typeof data52 === "string"){
if(!pattern41.test(data52)){
const err134 = {instancePath:instancePath+"/rates/datagrams",schemaPath:"#/$defs/rate/pattern",keyword:"pattern",params:{pattern: "^unlimited$"},message:"must match pattern \""+"^unlimited$"+"\"",schema:"^unlimited$",parentSchema:schema75,data:data52};
if(vErrors === null){
vErrors = [err134];
}
else {
vErrors.push(err134);
}
errors++;
}
}
}
if(data46.lookups !== undefined){
let data53 = data46.lookups;
if((!(((typeof data53 == "number") && (!(data53 % 1) && !isNaN(data53))) && (isFinite(data53)))) && (typeof data53 !== "string")){
const err135 = {instancePath:instancePath+"/rates/lookups",schemaPath:"#/$defs/rate/type",keyword:"type",params:{type: schema75.type},message:"must be integer,string",schema:schema75.type,parentSchema:schema75,data:data53};
if(vErrors === null){
vErrors = [err135];
}
else {
vErrors.push(err135);
}
errors++;
}
if((typeof data53 == "number") && (isFinite(data53))){
if(data53 > 1048576 || isNaN(data53)){
const err136 = {instancePath:instancePath+"/rates/lookups",schemaPath:"#/$defs/rate/maximum",keyword:"maximum",params:{comparison: "<=", limit: 1048576},message:"must be <= 1048576",schema:1048576,parentSchema:schema75,data:data53};
if(vErrors === null){
vErrors = [err136];
}
else {
vErrors.push(err136);
}
errors++;
}
if(data53 < 1 || isNaN(data53)){
const err137 = {instancePath:instancePath+"/rates/lookups",schemaPath:"#/$defs/rate/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema75,data:data53};
if(vErrors === null){
vErrors = [err137];
}
else {
vErrors.push(err137);
}
errors++;
}
}
if(typeof data53 === "string"){
if(!pattern41.test(data53)){
const err138 = {instancePath:instancePath+"/rates/lookups",schemaPath:"#/$defs/rate/pattern",keyword:"pattern",params:{pattern: "^unlimited$"},message:"must match pattern \""+"^unlimited$"+"\"",schema:"^unlimited$",parentSchema:schema75,data:data53};
if(vErrors === null){
vErrors = [err138];
}
else {
vErrors.push(err138);
}
errors++;
}
}
}
}
else {
const err139 = {instancePath:instancePath+"/rates",schemaPath:"#/properties/rates/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.properties.rates.type,parentSchema:schema31.properties.rates,data:data46};
if(vErrors === null){
vErrors = [err139];
}
else {
vErrors.push(err139);
}
errors++;
}
}
if(data.timeouts !== undefined){
let data54 = data.timeouts;
if(data54 && typeof data54 == "object" && !Array.isArray(data54)){
for(const key9 in data54){
if(!((((key9 === "connectMs") || (key9 === "resolveMs")) || (key9 === "attachMs")) || (key9 === "udpIdleMs"))){
const err140 = {instancePath:instancePath+"/timeouts",schemaPath:"#/properties/timeouts/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key9},message:"must NOT have additional properties",schema:false,parentSchema:schema31.properties.timeouts,data:data54};
if(vErrors === null){
vErrors = [err140];
}
else {
vErrors.push(err140);
}
errors++;
}
}
if(data54.connectMs !== undefined){
let data55 = data54.connectMs;
if(!(((typeof data55 == "number") && (!(data55 % 1) && !isNaN(data55))) && (isFinite(data55)))){
const err141 = {instancePath:instancePath+"/timeouts/connectMs",schemaPath:"#/$defs/milliseconds/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema78.type,parentSchema:schema78,data:data55};
if(vErrors === null){
vErrors = [err141];
}
else {
vErrors.push(err141);
}
errors++;
}
if((typeof data55 == "number") && (isFinite(data55))){
if(data55 > 3600000 || isNaN(data55)){
const err142 = {instancePath:instancePath+"/timeouts/connectMs",schemaPath:"#/$defs/milliseconds/maximum",keyword:"maximum",params:{comparison: "<=", limit: 3600000},message:"must be <= 3600000",schema:3600000,parentSchema:schema78,data:data55};
if(vErrors === null){
vErrors = [err142];
}
else {
vErrors.push(err142);
}
errors++;
}
if(data55 < 1 || isNaN(data55)){
const err143 = {instancePath:instancePath+"/timeouts/connectMs",schemaPath:"#/$defs/milliseconds/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema78,data:data55};
if(vErrors === null){
vErrors = [err143];
}
else {
vErrors.push(err143);
}
errors++;
}
}
}
if(data54.resolveMs !== undefined){
let data56 = data54.resolveMs;
if(!(((typeof data56 == "number") && (!(data56 % 1) && !isNaN(data56))) && (isFinite(data56)))){
const err144 = {instancePath:instancePath+"/timeouts/resolveMs",schemaPath:"#/$defs/milliseconds/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema78.type,parentSchema:schema78,data:data56};
if(vErrors === null){
vErrors = [err144];
}
else {
vErrors.push(err144);
}
errors++;
}
if((typeof data56 == "number") && (isFinite(data56))){
if(data56 > 3600000 || isNaN(data56)){
const err145 = {instancePath:instancePath+"/timeouts/resolveMs",schemaPath:"#/$defs/milliseconds/maximum",keyword:"maximum",params:{comparison: "<=", limit: 3600000},message:"must be <= 3600000",schema:3600000,parentSchema:schema78,data:data56};
if(vErrors === null){
vErrors = [err145];
}
else {
vErrors.push(err145);
}
errors++;
}
if(data56 < 1 || isNaN(data56)){
const err146 = {instancePath:instancePath+"/timeouts/resolveMs",schemaPath:"#/$defs/milliseconds/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema78,data:data56};
if(vErrors === null){
vErrors = [err146];
}
else {
vErrors.push(err146);
}
errors++;
}
}
}
if(data54.attachMs !== undefined){
let data57 = data54.attachMs;
if(!(((typeof data57 == "number") && (!(data57 % 1) && !isNaN(data57))) && (isFinite(data57)))){
const err147 = {instancePath:instancePath+"/timeouts/attachMs",schemaPath:"#/$defs/milliseconds/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema78.type,parentSchema:schema78,data:data57};
if(vErrors === null){
vErrors = [err147];
}
else {
vErrors.push(err147);
}
errors++;
}
if((typeof data57 == "number") && (isFinite(data57))){
if(data57 > 3600000 || isNaN(data57)){
const err148 = {instancePath:instancePath+"/timeouts/attachMs",schemaPath:"#/$defs/milliseconds/maximum",keyword:"maximum",params:{comparison: "<=", limit: 3600000},message:"must be <= 3600000",schema:3600000,parentSchema:schema78,data:data57};
if(vErrors === null){
vErrors = [err148];
}
else {
vErrors.push(err148);
}
errors++;
}
if(data57 < 1 || isNaN(data57)){
const err149 = {instancePath:instancePath+"/timeouts/attachMs",schemaPath:"#/$defs/milliseconds/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema78,data:data57};
if(vErrors === null){
vErrors = [err149];
}
else {
vErrors.push(err149);
}
errors++;
}
}
}
if(data54.udpIdleMs !== undefined){
let data58 = data54.udpIdleMs;
if(!(((typeof data58 == "number") && (!(data58 % 1) && !isNaN(data58))) && (isFinite(data58)))){
const err150 = {instancePath:instancePath+"/timeouts/udpIdleMs",schemaPath:"#/$defs/milliseconds/type",keyword:"type",params:{type: "integer"},message:"must be integer",schema:schema78.type,parentSchema:schema78,data:data58};
if(vErrors === null){
vErrors = [err150];
}
else {
vErrors.push(err150);
}
errors++;
}
if((typeof data58 == "number") && (isFinite(data58))){
if(data58 > 3600000 || isNaN(data58)){
const err151 = {instancePath:instancePath+"/timeouts/udpIdleMs",schemaPath:"#/$defs/milliseconds/maximum",keyword:"maximum",params:{comparison: "<=", limit: 3600000},message:"must be <= 3600000",schema:3600000,parentSchema:schema78,data:data58};
if(vErrors === null){
vErrors = [err151];
}
else {
vErrors.push(err151);
}
errors++;
}
if(data58 < 1 || isNaN(data58)){
const err152 = {instancePath:instancePath+"/timeouts/udpIdleMs",schemaPath:"#/$defs/milliseconds/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1",schema:1,parentSchema:schema78,data:data58};
if(vErrors === null){
vErrors = [err152];
}
else {
vErrors.push(err152);
}
errors++;
}
}
}
}
else {
const err153 = {instancePath:instancePath+"/timeouts",schemaPath:"#/properties/timeouts/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.properties.timeouts.type,parentSchema:schema31.properties.timeouts,data:data54};
if(vErrors === null){
vErrors = [err153];
}
else {
vErrors.push(err153);
}
errors++;
}
}
}
else {
const err154 = {instancePath,schemaPath:"#/type",keyword:"type",params:{type: "object"},message:"must be object",schema:schema31.type,parentSchema:schema31,data};
if(vErrors === null){
vErrors = [err154];
}
else {
vErrors.push(err154);
}
errors++;
}
validate20.errors = vErrors;
return errors === 0;
}
validate20.evaluated = {"props":true,"dynamicProps":false,"dynamicItems":false};


function joined(all, more) {
  if (all === null) return more;
  for (const error of more) all.push(error);
  return all;
}

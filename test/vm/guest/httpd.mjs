// A web server in the guest: the files of a folder. argv: port, folder.

import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { pipeline } from "node:stream";

const [port, folder] = process.argv.slice(2);
const server = createServer((request, response) => {
  pipeline(createReadStream(`${folder}${request.url}`), response, () => {});
});
server.listen(Number(port), "127.0.0.1");

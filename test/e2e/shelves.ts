import { join } from 'node:path'

import type { Test } from 'tap'

import { root } from '../../src/settings.ts'
import { tarOfFolder } from './plugged.ts'
import type { Sandbox } from './sandbox.ts'

/** Tells what is on the shelf that it is linked to. */
const server = `
use strict;
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die "$!\\n";
$SIG{TERM} = sub { exit 0 };
sub told {
    return 'none' unless $ENV{SHELF_AT};
    my $shelf = IO::Socket::INET->new(PeerAddr => $ENV{SHELF_AT}, Timeout => 2) or return 'unreachable';
    my $said = join '', <$shelf>;
    $said =~ s/\\n/ /g;
    return $said;
}
while (my $client = $server->accept) {
    while (my $line = <$client>) { last if $line =~ /^\\r?\\n$/ }
    my $body = told();
    print $client "HTTP/1.1 200 OK\\r\\nContent-Length: ", length $body, "\\r\\nConnection: close\\r\\n\\r\\n$body";
    close $client;
}
`

/** An app that tells what is on the shelf it is linked to, and the plugin that has shelves. Answers how to ask it. */
export async function shelves(t: Test, box: Sandbox, app: string): Promise<() => Promise<string>> {
  const shop = await box.checkout('dockerfile-base', app)
  await shop.write('server.pl', server)
  await shop.commit('Tells')
  const folder = join(root, 'test/fixtures/plugins/shelf')
  t.match(await box.ssh('plugin:install -', { input: await tarOfFolder(folder) }), { code: 0 })
  t.match(await shop.push(), { code: 0 })
  return async () => (await box.get(`${app}.localhost`)).body
}

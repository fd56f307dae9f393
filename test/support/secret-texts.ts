/**
 * Texts with a secret, `§`, in the forms programs, tools and their errors have them. `⏎` is a line break.
 * Where an arrow follows: what must be left of them.
 */
const TEXTS = `
# addresses and logins
root:§@tcp(127.0.0.1:3306)/db?parseTime=true => [redacted]@tcp(127.0.0.1:3306)/db?parseTime=true
dial me:§@unix(/tmp/mysql.sock)/db => dial [redacted]@unix(/tmp/mysql.sock)/db
me:§@(localhost:3306)/db => [redacted]@(localhost:3306)/db
me:§@db.corp:5432/x => [redacted]@db.corp:5432/x
connect me:§@10.0.0.7:6379 failed => connect [redacted]@10.0.0.7:6379 failed
:§@localhost:6379/0 => [redacted]@localhost:6379/0
jdbc:oracle:thin:scott/§@//h:1521/x => jdbc:oracle:thin:scott/[redacted]@//h:1521/x
jdbc:oracle:oci:scott/§@orcl => jdbc:oracle:oci:scott/[redacted]@orcl
sqlplus -s scott/§@orcl => sqlplus -s scott/[redacted]@orcl
expdp scott/§ schemas=x => expdp scott/[redacted] schemas=x
http%3A%2F%2Fme%3A§%40h%2Fx => http%3A%2F%2F[redacted]%40h%2Fx
u=https%253A%252F%252Fme%253A§%2540h => u=https%253A%252F%252F[redacted]%2540h
ftp://me:"§ x"@h/ => ftp://[redacted]@h/
postgresql://me:§⏎@h/db => postgresql://[redacted]@h/db
# documents
<password>§</password> => <password>[redacted]</password>
<ns:Password type="text">§</ns:Password> => <ns:Password type="text">[redacted]</ns:Password>
<apiKey><![CDATA[§]]></apiKey> => <apiKey><![CDATA[[redacted]]]></apiKey>
<user name="me" password="§"/> => <user name="me" password="[redacted]"/>
<add key="Password" value="§"/> => <add key="Password" value="[redacted]"/>
<property name="password" value="§"/> => <property name="password" value="[redacted]"/>
- name: DB_PASSWORD⏎  value: § => - name: DB_PASSWORD⏎  value: [redacted]
machine h login me password § => machine h login me password [redacted]
machine h login me account a password § => machine h login me account a password [redacted]
["password","§"] => ["password","[redacted]"]
the password is § => the password is [redacted]
password|§ => password|[redacted]
password -> § => password -> [redacted]
contraseña: § => contraseña: [redacted]
пароль=§ => пароль=[redacted]
"密码": "§" => "密码": "[redacted]"
{"Passwort":"§"} => {"Passwort":"[redacted]"}
Proxy-Authorization: Digest username="me", response="§" => Proxy-Authorization: [redacted]
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/x, SignedHeaders=host, Signature=§ => Authorization: [redacted]
AKIAIOSFODNN7EXAMPLE:hunTer7Xq9abcd => [redacted]
# commands
mysql -uroot -p§ db => mysql -uroot -p[redacted] db
mysqldump -h x -u root -p'§' db => mysqldump -h x -u root -p'[redacted]' db
mariadb -p§ => mariadb -p[redacted]
7z x -p§ a.7z => 7z x -p[redacted] a.7z
sshpass -p § ssh h => sshpass -p [redacted] ssh h
sshpass -p "§" ssh h => sshpass -p "[redacted]" ssh h
docker login -u me -p § reg => docker login -u me -p [redacted] reg
helm registry login -u me -p § reg => helm registry login -u me -p [redacted] reg
az acr login -n x -p § => az acr login -n x -p [redacted]
mongosh -u me -p § h => mongosh -u me -p [redacted] h
redis-cli -h h -a § ping => redis-cli -h h -a [redacted] ping
ldapsearch -x -D cn=me -w § => ldapsearch -x -D cn=me -w [redacted]
sqlcmd -S h -U sa -P § => sqlcmd -S h -U sa -P [redacted]
unzip -P § a.zip => unzip -P [redacted] a.zip
smbclient -U me%§ //h/share => smbclient -U me%[redacted] //h/share
htpasswd -bc file me § => htpasswd -bc file me [redacted]
xfreerdp /u:me /p:§ /v:h => xfreerdp /u:me /p:[redacted] /v:h
http -a me:§ h/x => http -a me:[redacted] h/x
echo § | docker login -u me --password-stdin => echo [redacted] | docker login -u me --password-stdin
aws configure set aws_secret_access_key § => aws configure set aws_secret_access_key [redacted]
git config --global user.password § => git config --global user.password [redacted]
npm config set //registry.corp/:_authToken § => npm config set //registry.corp/:_authToken [redacted]
CREATE USER me IDENTIFIED BY '§' => CREATE USER me IDENTIFIED BY '[redacted]'
CREATE ROLE me WITH LOGIN PASSWORD '§' => CREATE ROLE me WITH LOGIN PASSWORD '[redacted]'
openssl rsa -passin pass:§ => openssl rsa -passin pass:[redacted]
# the same, of which the name, the place or the shape alone tells
https://corp.webhook.office.com/webhookb2/§abcdefgh1234/IncomingWebhook/x
https://hooks.zapier.com/hooks/catch/12345/§/
https://maker.ifttt.com/trigger/x/with/key/§abcdefgh1234
https://open.feishu.cn/open-apis/bot/v2/hook/123e4567-§-a456-426614174000
bot token 123456789:AA§abcdefghijklmnopqrstuvwx
gsk_§a1B2c3D4e5F6
hvs.§a1B2c3D4e5F6
whsec_§a1B2c3D4e5F6
r8_§a1B2c3D4e5F6
shpat_§a1B2c3D4e5F6
GOCSPX-§a1B2c3D4e5F6
lsv2_pt_§a1B2c3D4e5F6
glsa_§a1B2c3D4e5F6
SSWS §a1B2c3D4e5F6
["mysql","-uroot","-p§"]
["docker","login","-u","me","-p","§","reg"]
{"headers":[{"key":"X-Api-Key","value":"§"}]}
{"auth":["me","§"]}
{"cookies":{"theme":"dark","sid":"§"}}
auth: {user: 'me', token: '§'}
auth=§
x_auth: §
Authorization: OAuth oauth_consumer_key="me", oauth_signature="§"
redis://:§@localhost:6379/0
https://§@github.com/o/r.git
http://u:§@[::1]:5000/x
amqp://u:p%40§@h/vh
postgres://user:p@ss@§@host/db
jdbc:postgresql://h/db?user=u&password=§
jdbc:oracle:thin:scott/§@//h:1521/x
Server=h;Database=d;User Id=u;Password=§;
Server=h;Uid=u;Pwd=§;
host=h user=u password=§ dbname=x
host=h user=u password='a §' dbname=x
Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=§abcdefghijk=
DefaultEndpointsProtocol=https;AccountName=a;AccountKey=§aaaaaaaaaaaaaaaaaaaaaaaa==;EndpointSuffix=core.windows.net
https://x.blob.core.windows.net/c?sv=2020&sig=§%3D&se=2025
https://s3.amazonaws.com/b/k?X-Amz-Signature=§0123456789abcdef&X-Amz-Credential=foo
https://api.x.com/?api_key=§&a=1
https://api.x.com/#access_token=§
https://hooks.slack.com/services/T00000000/B00000000/§XXXXXXXXXXXXXX
user:§@host:3306/db
mysql://root:§@tcp(127.0.0.1:3306)/db
//user:§@host/path
ftp://u:"§ x"@h/
postgres://user:§ with space@host/db
git+https://x-access-token:§@github.com/a/b
smb://DOMAIN;user:§@h/share
postgresql://u:§⏎@h/db
https://h/cb?code=§&state=1
https://discord.com/api/webhooks/123456789012345678/§abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP
https://api.telegram.org/bot123456789:AA§abcdefghijklmnopqrstuvwx/sendMessage
mongodb://u:§@h1:27017,h2:27017/db
sqlserver://h:1433;user=sa;password={§;x};encrypt=true
Authorization: Bearer §abcdefghijk
Bearer §abcdefghijklmnopqr
{"user":"u","password":"§"}
{\\"user\\":\\"u\\",\\"password\\":\\"§\\"}
{'password': '§'}
password: §
the password is §
--password=§
--password §
mysql -uroot -p§ db
curl -u me:§ http://h
curl -H 'X-Api-Key: §' h
sshpass -p § ssh h
psql "password=§"
export DB_PASSWORD=§
PGPASSWORD='§' psql
password=> §
password=§&user=x
<password>§</password>
password = "a\\"§"
AWS_SECRET_ACCESS_KEY=§/abcdefghijklmnopqrstuvwxyz
AKIAIOSFODNN7EXAMPLE:§
auth failed for user 'x' (using password: §)
Cookie: sid=§; b=2
redis-cli -a § ping
--api-key §
--token §
machine h login u password §
"password" : null, "secret" :"§"
password%3D§
http%3A%2F%2Fu%3A§%40h
PASSWORD:⏎  §
password|§
proxy-authorization: Digest username="u", response="§"
x-amz-security-token: §abcdefghijkl
Authorization: token §
ApiKey §abcdefghij
docker login -u me -p § reg
openssl -passin pass:§
`;

/** Texts, and what must be left of them, where that is said. */
export const secretTexts: readonly (readonly [text: string, left: string | undefined])[] = TEXTS.split("\n")
  .filter((line) => line !== "" && !line.startsWith("# "))
  .map((line) => line.replaceAll("⏎", "\n").split(" => "))
  .map(([text = "", left]) => [text, left]);

# shellcheck shell=sh
# Certificates are verified, and nothing switches that off.
# shellcheck source=tests/fetch/hub.sh
. "$ROOT/tests/fetch/hub.sh"
# every request is set up in one place, and there they are
[ "$(cd "$ROOT" && grep -rlE 'curl_easy_(init|setopt)' src apps)" = apps/smidge-fetch/transfer.c ] ||
    fail "requests are set up in another place than apps/smidge-fetch/transfer.c"
for option in 'SSL_VERIFYPEER, 1L' 'SSL_VERIFYHOST, 2L'; do
    set_to=$(grep -o "CURLOPT_${option%%,*}, [^)]*" "$ROOT/apps/smidge-fetch/transfer.c")
    [ "$set_to" = "CURLOPT_$option" ] || fail "CURLOPT_${option%%,*} is set to other than expected: $set_to"
done
need_command openssl
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=test \
    -addext subjectAltName=IP:127.0.0.1 >openssl.log 2>&1 || skip "openssl made no certificate: $(tail -n 1 openssl.log)"
HUB_TLS='certificate.pem key.pem'
start_hub
pull "https://$TLS/plain/fine.gguf" -o there
expect_failure '127.0.0.1:[0-9]+ does not show a certificate that is trusted: .*self.signed' there/fine.gguf
HF_ENDPOINT=https://$TLS HF_TOKEN=hf_right pull hf:test/good:m.gguf -o there
expect_failure 'does not show a certificate that is trusted' there/m.gguf
[ ! -s hub/log ] || fail "something was asked over a connection that is not trusted"
for flag in -k --insecure --no-check-certificate; do
    pull $flag "https://$TLS/plain/fine.gguf" -o there
    expect_status 2
done
# trusted by name
CURL_CA_BUNDLE=certificate.pem pull "https://$TLS/plain/fine.gguf" -o there
expect_file there/fine.gguf plain
rm there/fine.gguf
SSL_CERT_FILE=certificate.pem pull "https://$TLS/plain/fine.gguf" -o there
expect_file there/fine.gguf plain
# but not for another name, and not on to an address that anybody can read
CURL_CA_BUNDLE=certificate.pem pull "https://localhost:${TLS#*:}/plain/other.gguf" -o there
expect_failure 'does not show a certificate that is trusted' there/other.gguf
CURL_CA_BUNDLE=certificate.pem pull "https://$TLS/plain/down.gguf" -o there
expect_failure 'sends to an address that is not fetched: .*http' there/down.gguf
CURL_CA_BUNDLE=none.pem pull "https://$TLS/plain/new.gguf" -o there
expect_failure 'does not show a certificate that is trusted' there/new.gguf

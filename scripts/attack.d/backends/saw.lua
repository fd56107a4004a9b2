-- Tells of the request and answers with what it was.
local function word(text)
  return '.' .. ngx.encode_base64(text or '')
end

ngx.req.read_body()
local target = ngx.var.request_uri
local method = ngx.req.get_method()
local body = ngx.req.get_body_data() or ''
local line = { ngx.var.remote_addr, word(method), word(target), word(ngx.req.raw_header(true)), word(body), '1' }
io.stdout:write(table.concat(line, ' '), '\n')
io.stdout:flush()
ngx.header['X-Saw'] = ngx.encode_base64(method .. ' ' .. target):gsub('+', '-'):gsub('/', '_'):gsub('=', '')
ngx.print(#body, ' bytes')
